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
  // Every kernel worker that the pipeline starts first dies at its first piece of work.
  await page.route(/\/assets\/kernel-[^/]*\.js$/, async (route) => {
    const response = await route.fetch()
    const body = await response.text()
    await page.unroute(/\/assets\/kernel-[^/]*\.js$/)
    await route.fulfill({
      response,
      body: `let n=0;const real=self.postMessage;void real;addEventListener('message',()=>{if(++n===2)self.close()});${body}`,
    })
  })
  await readyToRun(studio, model)
  await startRun(page)
  await studio.finished()
})

test('a killed pipeline worker loses nothing finished and the page goes on', async ({ studio, page, folder }) => {
  const model = path.join(folder, 'long')
  makeSyntheticCheckpoint({ out: model, shape: { hidden: 256, intermediate: 512, layers: 12, heads: 4, kvHeads: 4, vocab: 320 } })
  await readyToRun(studio, model, 'nearest-4bit-g32')
  await startRun(page)
  await studio.goTo('Run')
  await expect(studio.heading).toHaveText(/Block [2-9]/)
  const session = await page.context().newCDPSession(page)
  await session.send('Target.setAutoAttach', { autoAttach: true, waitForDebuggerOnStart: false, flatten: false })
  const { targetInfos } = await session.send('Target.getTargets')
  const pipeline = targetInfos.find((target) => target.type === 'worker' && target.url.includes('pipeline'))
  expect(pipeline).toBeDefined()
  if (pipeline !== undefined) await session.send('Target.closeTarget', { targetId: pipeline.targetId })
  await expect(page.getByText(/worker/i).first()).toBeVisible()
  await stillWorks(studio, folder)
})
