import path from 'node:path'
import type { Page } from '@playwright/test'
import { makeSyntheticCheckpoint } from '../scripts/synthetic-checkpoint.mjs'
import { expect, type Studio, test } from './support/studio.ts'

const sample = 'public/samples/stories-4m'
const transformersJs = /^transformers\.js /

interface Written {
  readonly folder: string
  readonly recipe: string
  readonly format: RegExp
}

/** Quantizes a folder by one recipe without measuring and writes it in one format. */
async function write(studio: Studio, page: Page, { folder, recipe, format }: Written): Promise<void> {
  await studio.open()
  await studio.dropFolder(folder)
  await expect(page).toHaveURL(/#inspect/)
  await studio.goTo('Recipes')
  await studio.pasteRecipes(recipe)
  await page.getByLabel('Measure', { exact: true }).selectOption('none')
  await page.getByRole('button', { name: /^Run 1 / }).click()
  await expect(page.getByRole('heading', { name: /^1 recipe quantized in/ })).toBeVisible()
  const files = await studio.export(recipe, format)
  if (format.test('ONNX')) expect([...files.keys()]).toContain('onnx/model_q4.onnx')
}

/** Runs it in its own program, and sees that the tokens are the studio's own and that nothing left the tab. */
async function drive(page: Page, device: 'WASM' | 'WebGPU', runtime: RegExp): Promise<void> {
  const asked: string[] = []
  page.on('request', (request) => asked.push(request.url()))
  const card = page.getByRole('region', { name: 'Test drive' })
  await card.getByText(device, { exact: true }).click()
  await card.getByRole('button', { name: new RegExp(`^Test drive .* on ${device}$`) }).click()
  await expect(card.getByText(/of \d+ tokens equal/)).toHaveText(/^(\d+) of \1 tokens equal$/, { timeout: 200_000 })
  await expect(card.getByText(runtime)).toContainText(` on ${device}`)
  const speed = (await card.getByText(/in 10 runs\)/).textContent()) ?? ''
  test.info().annotations.push({ type: 'speed', description: `${device}: ${speed} tokens a second` })
  const here = new URL(page.url()).origin
  expect(asked.filter((url) => !url.startsWith(here) && !/^(blob|data):/.test(url))).toEqual([])
}

test('the written ONNX runs in transformers.js on WASM before it is saved, with the same tokens', async ({ studio, page }) => {
  await write(studio, page, { folder: sample, recipe: 'nearest-4bit-g32', format: /ONNX$/ })
  await drive(page, 'WASM', transformersJs)
  await expect(page.getByText('20 of 20 tokens equal')).toBeVisible()
  expect(studio.faults).toEqual([])
})

// A smaller model, since the adapter of the tests is a processor.
test('and on WebGPU', async ({ studio, page, folder }) => {
  const model = path.join(folder, 'tiny')
  makeSyntheticCheckpoint({ out: model })
  await write(studio, page, { folder: model, recipe: 'nearest-4bit-g32', format: /ONNX$/ })
  await drive(page, 'WebGPU', transformersJs)
  expect(studio.faults).toEqual([])
})

test('activations in f16 are chosen for one recipe, refused for another, and run with halves', async ({ studio, page }) => {
  await studio.open()
  await studio.dropFolder(sample)
  await expect(page).toHaveURL(/#inspect/)
  await studio.goTo('Recipes')
  for (const recipe of ['nearest-4bit-g32', 'nf4']) await studio.pasteRecipes(recipe)
  await page.getByLabel('Measure', { exact: true }).selectOption('none')
  await page.getByRole('button', { name: /^Run 2 / }).click()
  await expect(page.getByRole('heading', { name: /^2 recipes quantized in/ })).toBeVisible()
  await studio.goTo('Export')
  const activationsOf = (recipe: string) => page.getByRole('radiogroup', { name: `${recipe} as ONNX: Computes in` })
  const nf4 = page.getByRole('checkbox', { name: /^nf4 as ONNX$/ })
  await nf4.click()
  await expect(activationsOf('nf4').getByRole('radio', { name: /^f16/ })).toBeDisabled()
  await activationsOf('nf4').getByRole('radio', { name: /^f16/ }).hover()
  await expect(page.getByText(/With activations in f16 scales are halves too/)).toBeVisible()
  await nf4.click()
  await expect(activationsOf('nf4')).toBeHidden()

  const wide = await studio.export('nearest-4bit-g32', /ONNX$/)
  expect([...wide.keys()]).toContain('onnx/model_q4.onnx')
  const card = page.getByRole('region', { name: 'Test drive' })
  const driven = card.getByText(/of \d+ tokens equal/)
  const drive = async (): Promise<void> => {
    await card.getByRole('button', { name: /^Test drive .* on WASM$/ }).click()
    await expect(driven).toBeVisible({ timeout: 200_000 })
  }
  await drive()
  await activationsOf('nearest-4bit-g32')
    .getByRole('radio', { name: /^f16, / })
    .click()
  const halves = await studio.export('nearest-4bit-g32', /ONNX$/)
  expect([...halves.keys()].filter((name) => name.startsWith('onnx/'))).toEqual(['onnx/model_q4f16.onnx', 'onnx/model_q4f16.onnx_data'])
  await expect(driven).toBeHidden()
  await drive()
  expect(studio.faults).toEqual([])
})

test('a written GGUF runs in llama.cpp in the tab, with the same tokens', async ({ studio, page }) => {
  await write(studio, page, { folder: sample, recipe: 'Q4_K_M', format: /GGUF$/ })
  await drive(page, 'WASM', /^wllama /)
  await expect(page.getByText('20 of 20 tokens equal')).toBeVisible()
  expect(studio.faults).toEqual([])
})
