import { expect, shortText, test } from './support/studio.ts'

test('code books, tables and error feedback on the sample; what cannot be is greyed with its reason', async ({ studio, page }) => {
  await studio.open('#inspect')
  await page.getByRole('button', { name: 'Open the sample' }).click()
  await expect(page.getByRole('link', { name: 'Choose recipes' })).toBeVisible()
  await studio.goTo('Recipes')
  await studio.pasteRecipes('["int8-rows", "kmeans-3bit", "Q4_K", "Q4_K+gptq", "nearest-4bit-channel"]')
  await studio.evaluateOn({ name: 'short.txt', text: shortText })

  const rounding = page.getByRole('radiogroup', { name: 'Rounding' })
  const feedback = rounding.getByRole('radio', { name: 'Error feedback (GPTQ)' })
  await expect(feedback).toHaveAttribute('aria-disabled', 'true')
  await feedback.hover()
  await expect(page.getByText(/int8-rows cannot be rounded with error feedback/)).toBeVisible()
  await feedback.click({ force: true })
  await expect(rounding.getByRole('radio', { name: 'Nearest' })).toHaveAttribute('aria-checked', 'true')

  await page
    .getByRole('listitem')
    .getByRole('button', { name: /^nearest-4bit-channel/ })
    .first()
    .click()
  const risks = page.getByRole('region', { name: 'Risks of nearest-4bit-channel' })
  await expect(risks.getByRole('heading', { name: 'Outer weights waste part of the grid' })).toBeVisible()
  await risks.getByRole('button', { name: /^Groups of 32|^Clip the range/ }).click()
  await expect(page.getByRole('group', { name: /^Recipe nearest-4bit-(g32|channel-mse)/ })).toBeVisible()

  await studio.run()
  for (const id of ['int8-rows', 'kmeans-3bit', 'Q4_K', 'Q4_K+gptq', 'nearest-4bit-channel']) {
    await expect(studio.rowOf(id).first()).toContainText(/\d\.\d{3}/)
  }
  const bought = page.getByRole('listitem').filter({ hasText: /Q4_K\+gptq .* less than Q4_K/ })
  await expect(bought).toBeVisible()
  await expect(page.getByRole('columnheader', { name: 'Bit/weight' }).first()).toBeVisible()
  expect(studio.faults).toEqual([])
})

test('all presets by grid, by question and by name', async ({ studio, page }) => {
  await studio.open('#recipes')
  await page.getByRole('button', { name: 'All presets' }).click()
  const dialog = page.getByRole('dialog', { name: 'All presets' })
  await dialog.getByRole('button', { name: /^Code books/ }).click()
  await expect(dialog.getByRole('region', { name: 'Code books' })).toBeVisible()
  await expect(dialog.getByRole('region', { name: 'ggml blocks' })).toBeHidden()
  await dialog.getByText('By question').click()
  await dialog.getByRole('textbox').fill('importance')
  await expect(dialog.getByRole('region', { name: 'What an importance matrix buys' })).toBeVisible()
  await dialog.getByRole('textbox').fill('gptq-5bit-g48')
  await dialog.getByRole('button', { name: 'Add by name' }).click()
  await page.keyboard.press('Escape')
  await expect(page.getByRole('group', { name: 'Recipe gptq-5bit-g48' })).toBeVisible()
})

test('a name that stands for a recipe is not kept by another one', async ({ studio, page }) => {
  await studio.open('#recipes')
  await studio.pasteRecipes('gptq-5bit-g48')
  const editor = page.getByRole('group', { name: 'Recipe gptq-5bit-g48' })
  await editor.getByRole('combobox', { name: 'Bits' }).selectOption({ label: '3 bit' })
  await expect(page.getByRole('group', { name: 'Recipe gptq-5bit-g48-edited', exact: true })).toBeVisible()
  await studio.pasteRecipes('{"id":"gptq-5bit-g48-edited","grid":{"kind":"ggml","type":"Q4_0"}}')
  await expect(page.getByRole('group', { name: 'Recipe gptq-5bit-g48-edited-2', exact: true })).toBeVisible()
  await studio.pasteRecipes('gptq-5bit-g48')
  await expect(page.getByRole('group', { name: 'Recipe gptq-5bit-g48', exact: true })).toBeVisible()
})
