import { renameSync } from 'node:fs'
import path from 'node:path'
import { makeSyntheticCheckpoint } from '../scripts/synthetic-checkpoint.mjs'
import { startHubServer } from '../src/testing/hub-server.ts'
import { expect, shortText, test } from './support/studio.ts'

test('a dropped folder is inspected, quantized and written as GPTQ', async ({ studio, page, folder }) => {
  const model = path.join(folder, 'tiny')
  makeSyntheticCheckpoint({ out: model })
  await studio.open()
  await studio.dropFolder(model)
  await expect(page).toHaveURL(/#inspect/)
  await expect(page.getByText('LlamaForCausalLM').first()).toBeVisible()
  await studio.goTo('Recipes')
  await studio.pasteRecipes('nearest-4bit-g32')
  await studio.evaluateOn({ name: 'short.txt', text: shortText })
  await studio.run()
  await studio.goTo('Export')
  await expect(page.getByRole('checkbox', { name: /nearest-4bit-g32 as GGUF.*not possible/ })).toBeVisible()
  const files = await studio.export('nearest-4bit-g32', /GPTQ$/)
  expect(files.get('model.safetensors')?.length).toBeGreaterThan(1000)
  expect([...files.keys()]).toEqual(expect.arrayContaining(['config.json', 'tokenizer.json', 'SHA256SUMS']))
  expect(studio.faults).toEqual([])
})

test('a sharded checkpoint works, and a missing shard can be added afterwards', async ({ studio, page, folder }) => {
  const model = path.join(folder, 'sharded')
  const { files } = makeSyntheticCheckpoint({ out: model, shards: 3 })
  const missing = files[1] ?? ''
  renameSync(path.join(model, missing), path.join(folder, missing))
  await studio.open()
  await studio.dropFolder(model)
  await expect(page.getByRole('alert').getByText(`${missing} is missing`)).toBeVisible()
  await studio.addFiles([path.join(folder, missing)])
  await expect(page).toHaveURL(/#inspect/)
  await studio.goTo('Recipes')
  await studio.pasteRecipes('Q4_0')
  await studio.evaluateOn({ name: 'short.txt', text: shortText })
  await studio.run()
  await expect(studio.rowOf('Q4_0')).toHaveCount(1)
})

test('a model of a hub is read by ranges, across a redirect and dropped connections', async ({ studio, page, folder }) => {
  const model = path.join(folder, 'hub')
  makeSyntheticCheckpoint({ out: model })
  const hub = await startHubServer({ 'studio/tiny': model })
  try {
    await studio.open()
    await studio.useHub(hub.endpoint)
    hub.behaviour.drop = { afterBytes: 2000, times: 2 }
    await page.getByRole('textbox', { name: 'Model on the Hub' }).fill('studio/tiny')
    await page.getByRole('button', { name: 'Look up' }).click()
    await expect(page).toHaveURL(/#inspect/, { timeout: 60_000 })
    await studio.goTo('Recipes')
    await studio.pasteRecipes('Q8_0')
    await studio.evaluateOn({ name: 'short.txt', text: shortText })
    await studio.run()
    expect(hub.requests.some((request) => request.host === 'storage' && request.range !== null)).toBe(true)
    expect(hub.requests.every((request) => !request.hasToken)).toBe(true)

    hub.behaviour.refuse = { status: 404, times: 1 }
    await studio.goTo('Open')
    await page.getByRole('textbox', { name: 'Model on the Hub' }).fill('studio/nothing')
    await page.getByRole('button', { name: 'Look up' }).click()
    await expect(page.getByRole('alert').getByText('No such model')).toBeVisible()
  } finally {
    await hub.close()
  }
})

test('a gated model asks for a token and opens with it', async ({ studio, page, folder }) => {
  const model = path.join(folder, 'gated')
  makeSyntheticCheckpoint({ out: model })
  const hub = await startHubServer({ 'studio/gated': model })
  hub.behaviour.gated = new Map([['studio/gated', 'hf_secret']])
  try {
    await studio.open()
    await studio.useHub(hub.endpoint)
    await page.getByRole('textbox', { name: 'Model on the Hub' }).fill('studio/gated')
    await page.getByRole('button', { name: 'Look up' }).click()
    await expect(page.getByRole('alert').getByText('This model asks for permission')).toBeVisible()
    await page.getByRole('textbox', { name: 'Access token' }).fill('hf_secret')
    await page.getByRole('button', { name: 'Look up' }).click()
    await expect(page).toHaveURL(/#inspect/, { timeout: 60_000 })
    expect(hub.requests.filter((request) => request.host === 'storage').every((request) => !request.hasToken)).toBe(true)
  } finally {
    await hub.close()
  }
})
