import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { makeSyntheticCheckpoint } from '../scripts/synthetic-checkpoint.mjs'
import { startHubServer } from '../src/testing/hub-server.ts'
import { parquetFixture } from '../src/testing/parquet-fixture.ts'
import { expect, test } from './support/studio.ts'

/** In the manner of ChatML, in letters the byte tokenizer of the synthetic model has. */
const template = "{% for m in messages %}{{ '[' + m.role + '] ' + m.content + '\n' }}{% endfor %}"

test('texts of data sets of a hub are calibrated and measured on, in the chat template', async ({ studio, page, folder }) => {
  const model = path.join(folder, 'chat')
  makeSyntheticCheckpoint({ out: model })
  writeFileSync(path.join(model, 'chat_template.jinja'), template)
  const [pages, zstd] = [await parquetFixture('pages'), await parquetFixture('zstd')]
  const files = new Map([
    ['small/train/0000.parquet', pages],
    ['small/test/0000.parquet', zstd],
  ])
  const hub = await startHubServer({ 'datasets/o/stories@refs/convert/parquet': files })
  try {
    await studio.open()
    await studio.useHub(hub.endpoint)
    await studio.dropFolder(model)
    await expect(page).toHaveURL(/#inspect/)
    await studio.goTo('Recipes')
    await studio.pasteRecipes('Q4_0+imatrix')

    const calibrated = page.getByRole('region', { name: 'Calibrated on' })
    await calibrated.getByRole('button', { name: 'Fetch the calibration text from the Hub' }).click()
    await expect(calibrated.getByText('nothing of yours is sent there')).toBeVisible()
    const field = calibrated.getByRole('textbox', { name: 'Data set on the Hub' })
    await calibrated.getByRole('button', { name: 'WikiText-2' }).click()
    await expect(field).toHaveValue('Salesforce/wikitext:wikitext-2-raw-v1')
    await calibrated.getByRole('button', { name: 'Fetch this text' }).click()
    await expect(calibrated.getByRole('alert').getByText('No such data set')).toBeVisible()

    hub.behaviour.gated = new Map([['datasets/o/stories', 'hf_secret']])
    await field.fill('o/stories:small')
    await calibrated.getByRole('button', { name: 'Fetch this text' }).click()
    await expect(calibrated.getByRole('alert').getByText('This data set asks for permission')).toBeVisible()
    await calibrated.getByLabel('Access token').fill('hf_secret')
    await calibrated.getByRole('button', { name: 'Fetch this text' }).click()
    await expect(calibrated.getByText(/^o\/stories small train @[0-9a-f]{7}, [\d,]+ characters$/)).toBeVisible()
    hub.behaviour.gated = new Map()

    const measured = page.getByRole('region', { name: 'Measured on' })
    await measured.getByRole('button', { name: 'Fetch the evaluation text from the Hub' }).click()
    await measured.getByRole('textbox', { name: 'Data set on the Hub' }).fill('o/stories:small')
    await measured.getByRole('button', { name: 'Fetch this text' }).click()
    await expect(measured.getByText(/^o\/stories small test @/)).toBeVisible()
    await expect(page.getByText('Reads from 127.0.0.1', { exact: false })).toBeVisible()

    await calibrated.getByRole('switch', { name: 'Use the chat template' }).check()
    await expect(calibrated.getByText(/^What recipes learn from: [\d,]+ tokens, [\d,]+ of the [\d,]+ in the vocabulary\.$/)).toBeVisible()
    await studio.run()
    await expect(studio.rowOf('Q4_0+imatrix')).toHaveCount(1)

    const parts = hub.requests.filter(({ path: asked }) => asked.includes('/resolve/'))
    expect(parts.length).toBeGreaterThan(0)
    expect(hub.requests.filter(({ host }) => host === 'storage').every(({ range, hasToken }) => range !== null && !hasToken)).toBe(true)
    expect(hub.requests.every(({ method }) => method === 'GET')).toBe(true)
  } finally {
    await hub.close()
  }
})
