import path from 'node:path'
import type { Page } from '@playwright/test'
import { makeSyntheticCheckpoint } from '../scripts/synthetic-checkpoint.mjs'
import { expect, type Studio, test } from './support/studio.ts'

/** Quantizes a folder to 4 bits without measuring and writes it as ONNX. */
async function writeOnnx(studio: Studio, page: Page, folder: string): Promise<void> {
  await studio.open()
  await studio.dropFolder(folder)
  await expect(page).toHaveURL(/#inspect/)
  await studio.goTo('Recipes')
  await studio.pasteRecipes('nearest-4bit-g32')
  await page.getByLabel('Measure', { exact: true }).selectOption('none')
  await page.getByRole('button', { name: /^Run 1 / }).click()
  await expect(page.getByRole('heading', { name: /^1 recipe quantized in/ })).toBeVisible()
  await studio.export('nearest-4bit-g32', /ONNX$/)
}

/** Runs it in transformers.js, and sees that the tokens are the studio's own and that nothing left the tab. */
async function drive(page: Page, device: 'WASM' | 'WebGPU'): Promise<void> {
  const asked: string[] = []
  page.on('request', (request) => asked.push(request.url()))
  const card = page.getByRole('region', { name: 'Test drive' })
  await card.getByText(device, { exact: true }).click()
  await card.getByRole('button', { name: new RegExp(`^Test drive .* on ${device}$`) }).click()
  await expect(card.getByText(/of \d+ tokens equal/)).toHaveText(/^(\d+) of \1 tokens equal$/, { timeout: 200_000 })
  await expect(card.getByText(new RegExp(`transformers\\.js .* on ${device}`))).toBeVisible()
  const speed = (await card.getByText(/in 10 runs\)/).textContent()) ?? ''
  test.info().annotations.push({ type: 'speed', description: `${device}: ${speed} tokens a second` })
  const here = new URL(page.url()).origin
  expect(asked.filter((url) => !url.startsWith(here) && !/^(blob|data):/.test(url))).toEqual([])
}

test('the written ONNX runs in transformers.js on WASM before it is saved, with the same tokens', async ({ studio, page }) => {
  await writeOnnx(studio, page, 'public/samples/stories-4m')
  await drive(page, 'WASM')
  await expect(page.getByText('20 of 20 tokens equal')).toBeVisible()
  expect(studio.faults).toEqual([])
})

// A smaller model, since the adapter of the tests is a processor.
test('and on WebGPU', async ({ studio, page, folder }) => {
  const model = path.join(folder, 'tiny')
  makeSyntheticCheckpoint({ out: model })
  await writeOnnx(studio, page, model)
  await drive(page, 'WebGPU')
  expect(studio.faults).toEqual([])
})
