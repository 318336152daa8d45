// npm run bench:whole: a checkpoint with the shapes of TinyLlama-1.1B and random weights, from its bytes to a Q4_K_M GGUF: the
// studio in Node and in Chromium beside llama-quantize's engine, on the same number of threads, in turns, in one run. Three times of
// the studio: until its file is written and closed, which is what llama-quantize does; until it is proved, that is read back and
// every tensor compared; and until the whole file has its XXH64 compared and its SHA-256 taken, with which it can be saved (headless tells
// only of the last). Fails when a tensor differs from llama.cpp's.
//   npm run bench:whole -- [--shape tinyllama] [--layers 22] [--dtype F32|BF16] [--rounds 1] [--only headless|chromium] [--folder DIR]
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { bundleForNode } from './bundle.mjs'
import { ensureNativeGgml } from './native-ggml.mjs'
import { ensureBuilt, ensureChromium, ensurePackages, requireNode20, root, run } from './setup.mjs'
import { makeSyntheticCheckpoint, shapes } from './synthetic-checkpoint.mjs'

const port = 4188
const recipe = 'Q4_K_M'

const { values: options } = parseArgs({
  options: {
    shape: { type: 'string', default: 'tinyllama' },
    layers: { type: 'string' },
    /** Of the studio's input; llama-quantize always gets F32, which costs it the least. */
    dtype: { type: 'string', default: 'F32' },
    rounds: { type: 'string', default: '1' },
    only: { type: 'string' },
    /** Where some 12 GB are written and removed again. */
    folder: { type: 'string', default: tmpdir() },
  },
})
const shape = shapes[options.shape]
if (shape === undefined || !['F32', 'BF16'].includes(options.dtype) || ![undefined, 'headless', 'chromium'].includes(options.only)) {
  console.error(`--shape is one of ${Object.keys(shapes).join(', ')}; --dtype F32 or BF16; --only headless or chromium.`)
  process.exit(2)
}
requireNode20()
if (process.platform !== 'linux') {
  console.error('Memory and processor time are read from /proc, so this measurement runs on Linux only.')
  process.exit(2)
}
ensurePackages()
await ensureChromium()
ensureBuilt()
const native = ensureNativeGgml()
if (native.reason !== undefined) {
  console.error(`There is nothing to compare with: ${native.reason}.`)
  process.exit(2)
}

process.chdir(root)
const { quantizeHeadless } = await import('./whole/headless.mjs')
const { quantizeInChromium } = await import('./whole/browser.mjs')
const { quantizeNative } = await import('./whole/native-run.mjs')
const urlOf = await bundleForNode('whole', { whole: 'bench/whole.ts' })
const { writeFloatGguf, compareGguf } = await import(urlOf('whole').href)
const { preview } = await import('vite')
const server = await preview({ root, logLevel: 'error', preview: { port, strictPort: true, host: 'localhost' } })
const folder = mkdtempSync(path.join(options.folder, 'studio-whole-'))
const threads = cpus().length
const gigabytes = (bytes) => (bytes / 1e9).toFixed(2)
try {
  process.exitCode = (await main()) ? 0 : 1
} finally {
  rmSync(folder, { recursive: true, force: true })
  await server.close()
}

async function main() {
  const model = path.join(folder, 'model')
  const input = path.join(folder, 'input.gguf')
  const output = path.join(folder, 'native.gguf')
  const layers = Number(options.layers ?? shape.layers)
  const { bytes, parameters } = makeSyntheticCheckpoint({ out: model, shape: { ...shape, layers }, dtype: options.dtype })
  await writeFloatGguf(model, input)
  console.log(`${parameters.toLocaleString('en')} parameters, ${gigabytes(bytes)} GB of ${options.dtype} safetensors; ${threads} threads`)
  const found = { native: [], headless: [], chromium: [] }
  const files = { headless: path.join(folder, 'headless.gguf'), chromium: path.join(folder, 'chromium.gguf') }
  for (let round = 0; round < Number(options.rounds); round++) {
    await warm(model, input)
    found.native.push(tell('llama-quantize', await quantizeNative({ native, input, output, threads })))
    if (options.only !== 'chromium') {
      const out = path.join(folder, 'headless')
      found.headless.push(tell('headless', await quantizeHeadless({ model, recipe, out, threads })))
      moveGguf(out, files.headless)
    }
    if (options.only !== 'headless') {
      const address = `http://localhost:${port}/`
      found.chromium.push(tell('Chromium', await quantizeInChromium({ address, model, recipe, folder, output: files.chromium })))
    }
  }
  console.log(`\n${table(found)}\n`)
  let isEqual = true
  for (const [name, file] of Object.entries(files)) {
    if (found[name].length === 0) continue
    const { equal, different } = await compareGguf(file, output)
    console.log(`${name}: ${equal} tensors byte for byte llama-quantize's${different.length === 0 ? '' : `; not ${different.join(', ')}`}`)
    isEqual &&= different.length === 0
  }
  return isEqual
}

/** Every program finds its input in the page cache. */
async function warm(...paths) {
  for (const file of paths)
    run('cat', file.endsWith('.gguf') ? [file] : readdirSync(file).map((name) => path.join(file, name)), { stdio: 'ignore' })
}

function tell(name, figures) {
  const { written, proved, seconds, processorSeconds, peak } = figures
  const steps =
    written === undefined ? '' : `written after ${written.toFixed(1)} s, proved after ${proved.toFixed(1)} s, with SHA-256 after `
  console.log(`${name}: ${steps}${seconds.toFixed(1)} s, ${processorSeconds.toFixed(1)} s of processor time, ${gigabytes(peak)} GB`)
  return figures
}

function moveGguf(out, to) {
  const made = path.join(out, recipe, 'gguf')
  const file = readdirSync(made).find((name) => name.endsWith('.gguf')) ?? ''
  run('mv', [path.join(made, file), to])
  rmSync(out, { recursive: true, force: true })
}

/** In Markdown; medians over the rounds, ratios of the medians. */
function table({ native: theirs, headless, chromium }) {
  const median = (rows, field) => rows.map((row) => row[field]).sort((a, b) => a - b)[Math.floor((rows.length - 1) / 2)]
  const base = { seconds: median(theirs, 'seconds'), processorSeconds: median(theirs, 'processorSeconds') }
  const against = (seconds, all) => `${seconds.toFixed(1)} s (${(seconds / all).toFixed(2)})`
  const line = (name, rows) => {
    const [written, proved, seconds] = ['written', 'proved', 'seconds'].map((field) => against(median(rows, field), base.seconds))
    const times = [written, proved, seconds, against(median(rows, 'processorSeconds'), base.processorSeconds)]
    return `| ${[name, ...times, `${gigabytes(median(rows, 'peak'))} GB`].join(' | ')} |`
  }
  return [
    `| ${(shape.layers * 1).toString() === String(options.layers ?? shape.layers) ? options.shape : `${options.shape}, ${options.layers} layers`} to ${recipe}, ${threads} threads | file written | file proved | with SHA-256 | processor time | peak memory |`,
    '|---|---|---|---|---|---|',
    `| llama-quantize (${native.label.split(' of ')[1]?.split(' (')[0] ?? 'native'}) | ${base.seconds.toFixed(1)} s | – | – | ${base.processorSeconds.toFixed(1)} s | ${gigabytes(median(theirs, 'peak'))} GB |`,
    ...(headless.length > 0 ? [line('the studio, headless', headless)] : []),
    ...(chromium.length > 0 ? [line('the studio in Chromium, from the drop', chromium)] : []),
  ].join('\n')
}
