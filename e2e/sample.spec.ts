import { createHash } from 'node:crypto'
import { expect, test } from './support/studio.ts'

test('the sample, four recipes, charts and a GGUF download', async ({ studio, page }) => {
  const started = Date.now()
  await studio.open()
  await page.getByRole('button', { name: 'Quantize the sample' }).click()
  await studio.finished()
  const rows = studio.table.getByRole('row')
  await expect(rows).toHaveCount(6) // head, float, four recipes
  for (const id of ['float', 'Q8_0', 'Q5_K_M', 'Q4_K_M', 'Q3_K_M']) await expect(studio.rowOf(id)).toHaveCount(1)
  await expect(page.getByRole('heading', { name: 'Size against quality' })).toBeVisible()
  await expect(page.getByRole('heading', { name: 'Pinned' })).toBeVisible()
  const files = await studio.export('Q8_0', /GGUF/)
  test.info().annotations.push({ type: 'time', description: `sample to GGUF in ${String(Math.round((Date.now() - started) / 1000))} s` })
  expect(files.get('stories-4m-Q8_0.gguf')?.subarray(0, 4).toString('latin1')).toBe('GGUF')
  const sums = files.get('SHA256SUMS')?.toString() ?? ''
  const others = [...files].filter(([name]) => name !== 'SHA256SUMS')
  expect(others.map(([name]) => name)).toEqual(expect.arrayContaining(['README.md', 'Modelfile', 'recipe.json', 'report.json']))
  for (const [name, bytes] of others) expect(sums).toContain(`${createHash('sha256').update(bytes).digest('hex')}  ${name}\n`)
  expect(studio.faults).toEqual([])
})

test('the same prompt continued by float and by each recipe', async ({ studio, page }) => {
  await studio.open()
  await page.getByRole('button', { name: 'Quantize the sample' }).click()
  await studio.finished()
  await page.getByRole('radiogroup', { name: 'Sections' }).getByText('Text').click()
  await page.getByRole('textbox', { name: 'Prompt' }).fill('Once upon a time')
  await page.getByRole('button', { name: /^Continue/ }).click()
  await expect(page.getByText(/first \d+ of \d+ tokens equal|all \d+ tokens equal/).first()).toBeVisible({ timeout: 60_000 })
  expect(studio.faults).toEqual([])
})

test('files alone: quantized without measuring, and still proved', async ({ studio, page }) => {
  await studio.open()
  await studio.dropFolder('public/samples/stories-4m')
  await expect(page).toHaveURL(/#inspect/)
  await studio.goTo('Recipes')
  await studio.pasteRecipes('Q4_K_M')
  await page.getByLabel('Measure', { exact: true }).selectOption('none')
  await page.getByRole('button', { name: /^Run 1 / }).click()
  await expect(page.getByRole('heading', { name: /^1 recipe quantized in/ })).toBeVisible()
  await studio.goTo('Compare')
  await expect(page.getByRole('heading', { name: '1 recipe quantized, not measured' })).toBeVisible()
  await expect(studio.rowOf('Q4_K_M')).toContainText('dB')
  await expect(page.getByText('NaN')).toHaveCount(0)
  const files = await studio.export('Q4_K_M', /GGUF/)
  expect(files.get('stories-4m-Q4_K_M.gguf')?.subarray(0, 4).toString('latin1')).toBe('GGUF')
  expect(studio.faults).toEqual([])
})
