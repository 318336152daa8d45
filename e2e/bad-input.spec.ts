import { readFileSync, truncateSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { Page } from '@playwright/test'
import { makeSyntheticCheckpoint } from '../scripts/synthetic-checkpoint.mjs'
import { expect, type Studio, shortText, test } from './support/studio.ts'

type Header = Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>

/** Rewrites the header of the one safetensors file of a folder; the data stays. */
function changeHeader(model: string, change: (header: Header) => void): void {
  const file = path.join(model, 'model.safetensors')
  const bytes = readFileSync(file)
  const length = Number(bytes.readBigUInt64LE(0))
  const header = JSON.parse(bytes.subarray(8, 8 + length).toString()) as Header
  change(header)
  const text = Buffer.from(JSON.stringify(header))
  const size = Buffer.alloc(8)
  size.writeBigUInt64LE(BigInt(text.length))
  writeFileSync(file, Buffer.concat([size, text, bytes.subarray(8 + length)]))
}

function changeConfig(model: string, change: Record<string, unknown>): void {
  const file = path.join(model, 'config.json')
  writeFileSync(file, JSON.stringify({ ...(JSON.parse(readFileSync(file, 'utf8')) as object), ...change }))
}

const norm = 'model.norm.weight'
const query = 'model.layers.1.self_attn.q_proj.weight'

/** What is done to a sound folder, and the words the page must say. */
const damages: readonly { readonly name: string; readonly damage: (model: string) => void; readonly says: RegExp }[] = [
  {
    name: 'a truncated file',
    damage: (model) => truncateSync(path.join(model, 'model.safetensors'), 90_000),
    says: /This file is damaged/,
  },
  {
    name: 'a header length beyond the file',
    damage: (model) => {
      const file = path.join(model, 'model.safetensors')
      const bytes = readFileSync(file)
      bytes.writeBigUInt64LE(2n ** 40n, 0)
      writeFileSync(file, bytes)
    },
    says: /This file is damaged/,
  },
  {
    name: 'overlapping offsets',
    damage: (model) =>
      changeHeader(model, (header) => {
        const [entry, other] = [header[query], header[norm]]
        if (entry !== undefined && other !== undefined) entry.data_offsets = [other.data_offsets[0], other.data_offsets[0] + 8192]
      }),
    says: /This file is damaged/,
  },
  {
    name: 'an integer dtype',
    damage: (model) =>
      changeHeader(model, (header) => {
        const entry = header[query]
        if (entry !== undefined) entry.dtype = 'I16'
      }),
    says: /I16/,
  },
  { name: 'a config that contradicts the tensors', damage: (model) => changeConfig(model, { hidden_size: 128 }), says: /config\.json/ },
  {
    name: 'an architecture that is not supported',
    damage: (model) => changeConfig(model, { architectures: ['MixtralForCausalLM'], model_type: 'mixtral' }),
    says: /This architecture is not supported yet/,
  },
  {
    name: 'a tokenizer that is no JSON',
    damage: (model) => writeFileSync(path.join(model, 'tokenizer.json'), '{'),
    says: /tokenizer\.json/,
  },
]

for (const { name, damage, says } of damages) {
  test(`${name} is named, and the page goes on`, async ({ studio, page, folder }) => {
    const model = path.join(folder, 'bad')
    makeSyntheticCheckpoint({ out: model })
    damage(model)
    await studio.open()
    await studio.dropFolder(model)
    await expect(page.getByRole('alert').or(page.getByRole('main')).getByText(says).first()).toBeVisible()
    await stillWorks(studio, folder)
  })
}

async function stillWorks(studio: Studio, folder: string): Promise<void> {
  const sound = path.join(folder, 'sound')
  makeSyntheticCheckpoint({ out: sound })
  await studio.goTo('Open')
  await studio.dropFolder(sound)
  await expect(studio.page).toHaveURL(/#inspect/)
}

async function readyToRun(studio: Studio, model: string, recipes = 'Q8_0'): Promise<void> {
  await studio.open()
  await studio.dropFolder(model)
  await expect(studio.page).toHaveURL(/#inspect/)
  await studio.goTo('Recipes')
  await studio.pasteRecipes(recipes)
  await studio.evaluateOn({ name: 'short.txt', text: shortText })
}

const startRun = (page: Page): Promise<void> => page.getByRole('button', { name: /^Run \d/ }).click()

test('NaN weights end the run with the name of the tensor', async ({ studio, page, folder }) => {
  const model = path.join(folder, 'nan')
  makeSyntheticCheckpoint({ out: model })
  const file = path.join(model, 'model.safetensors')
  const bytes = readFileSync(file)
  const length = Number(bytes.readBigUInt64LE(0))
  const header = JSON.parse(bytes.subarray(8, 8 + length).toString()) as Header
  bytes.writeUInt16LE(0x7fc0, 8 + length + (header[query]?.data_offsets[0] ?? 0) + 10)
  writeFileSync(file, bytes)
  await readyToRun(studio, model)
  await startRun(page)
  await expect(page.getByText(new RegExp(query)).first()).toBeVisible()
  await stillWorks(studio, folder)
})

test('a text that is too short is refused before the run', async ({ studio, page, folder }) => {
  const model = path.join(folder, 'tiny')
  makeSyntheticCheckpoint({ out: model })
  await readyToRun(studio, model)
  await studio.evaluateOn({ name: 'empty.txt', text: 'Too short.' })
  await expect(page.getByText(/The text is too short to measure/).first()).toBeVisible()
})

test('a killed kernel worker is replaced and the run ends well', async ({ studio, page, folder }) => {
  const model = path.join(folder, 'tiny')
  makeSyntheticCheckpoint({ out: model })
  // The pipeline's first kernel worker is terminated as it gets its second message, as a crash would; later ones are sound.
  const wrapped = `const Sound = Worker; let started = 0
    self.Worker = class extends Sound {
      constructor(...rest) { super(...rest); this.order = ++started; this.sent = 0 }
      postMessage(...rest) {
        super.postMessage(...rest)
        if (this.order === 1 && ++this.sent === 2) { this.terminate(); console.info('kernel worker terminated') }
      }
    };`
  await page.route(/\/assets\/pipeline-[^/]*\.js$/, async (route) => {
    const response = await route.fetch()
    await route.fulfill({ response, body: wrapped + (await response.text()) })
  })
  const said: string[] = []
  page.on('console', (message) => said.push(message.text()))
  await readyToRun(studio, model)
  await startRun(page)
  await expect(page).toHaveURL(/#run/)
  await studio.finished()
  expect(said).toContain('kernel worker terminated')
})

test('a killed pipeline worker loses nothing finished and the page goes on', async ({ studio, page, folder }) => {
  const model = path.join(folder, 'long')
  makeSyntheticCheckpoint({ out: model, shape: { hidden: 256, intermediate: 512, layers: 12, heads: 4, kvHeads: 4, vocab: 320 } })
  await page.addInitScript(() => {
    const started: Worker[] = []
    Object.assign(window, { started })
    window.Worker = class extends Worker {
      constructor(url: string | URL, options?: WorkerOptions) {
        super(url, options)
        started.push(this)
      }
    }
  })
  await readyToRun(studio, model, 'nearest-4bit-g32')
  await startRun(page)
  await expect(studio.heading).toHaveText(/Block [2-9]/)
  await page.evaluate(() => {
    for (const worker of (window as unknown as { started: Worker[] }).started) worker.terminate()
  })
  await expect(page.getByRole('button', { name: 'Resume' })).toBeVisible()
  await page.getByRole('button', { name: 'Resume' }).click()
  await studio.finished()
})

test('storage that ends in mid-run is said, and smaller work still runs', async ({ studio, page, folder }) => {
  const model = path.join(folder, 'long')
  makeSyntheticCheckpoint({ out: model, shape: { hidden: 256, intermediate: 512, layers: 12, heads: 4, kvHeads: 4, vocab: 320 } })
  await readyToRun(studio, model, '["Q8_0", "F16"]')
  const session = await page.context().newCDPSession(page)
  const origin = new URL(page.url()).origin
  await session.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: 20_000_000 })
  await startRun(page)
  await expect(page.getByRole('heading', { name: /Storage ran out at block/ })).toBeVisible()
  await session.send('Storage.overrideQuotaForOrigin', { origin })
  await stillWorks(studio, folder)
})
