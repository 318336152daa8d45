// npm run bench:memory: peak memory of the page on two checkpoints that differ in length alone, 256 MiB and 1 GiB.
// Fails when the longer one needs over 15 % more, or when either needs more than the plan had announced.
//   npm run bench:memory -- [--shape block14] [--layers 19 --layers 76] [--recipe ID …] [--tokens N] [--context N] [--trace]
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { ensureBuilt, ensureChromium, ensurePackages, requireNode20, root } from './setup.mjs'
import { makeSyntheticCheckpoint, shapes } from './synthetic-checkpoint.mjs'

const port = 4187
/** How much the peak may grow from the shorter to the longer checkpoint. */
const largestGrowth = 1.15
const runTimeoutMs = 60 * 60_000
const sampleMs = 500
const mib = 2 ** 20

const { values: options } = parseArgs({
  options: {
    shape: { type: 'string', default: 'block14' },
    /** Blocks of each checkpoint; one of `block14` is 13.5 MiB. */
    layers: { type: 'string', multiple: true, default: ['19', '76'] },
    recipe: { type: 'string', multiple: true, default: ['Q4_0', 'nearest-4bit-g128'] },
    /** Tokens of the evaluation text; the tokenizer makes one of every byte. */
    tokens: { type: 'string', default: '2048' },
    context: { type: 'string', default: '256' },
    /** Prints the course of the resident memory in twenty steps. */
    trace: { type: 'boolean', default: false },
  },
})
const shape = shapes[options.shape]
if (shape === undefined) {
  console.error(`No shape "${options.shape}"; there are ${Object.keys(shapes).join(', ')}.`)
  process.exit(2)
}

requireNode20()
if (process.platform !== 'linux') {
  console.error('The peak of a process is read from /proc, so this measurement runs on Linux only.')
  process.exit(2)
}
ensurePackages()
await ensureChromium()
ensureBuilt()

process.chdir(root)
const { preview } = await import('vite')
const server = await preview({ root, logLevel: 'error', preview: { port, strictPort: true, host: 'localhost' } })
const folder = mkdtempSync(path.join(tmpdir(), 'studio-memory-'))
try {
  const rows = []
  for (const layers of options.layers.map(Number)) rows.push(await measure(layers))
  process.exitCode = report(rows) ? 0 : 1
} finally {
  rmSync(folder, { recursive: true, force: true })
  await server.close()
}

/** One checkpoint in a browser of its own, so that peaks do not mix. */
async function measure(layers) {
  const model = path.join(folder, `model-${layers}`)
  const profile = path.join(folder, `profile-${layers}`)
  mkdirSync(profile)
  const { bytes } = makeSyntheticCheckpoint({ out: model, shape: { ...shape, layers } })
  console.log(`${layers} blocks, ${(bytes / mib).toFixed(0)} MiB …`)
  const { chromium } = await import('@playwright/test')
  const { chromiumFlags, chromiumPath } = await import('./chromium.mjs')
  const context = await chromium.launchPersistentContext(profile, { executablePath: chromiumPath() ?? undefined, args: chromiumFlags })
  try {
    const page = context.pages()[0] ?? (await context.newPage())
    await page.goto(`http://localhost:${port}/`)
    await prepare(page, model)
    const renderer = rendererOf(profile)
    const before = memoryOf(renderer)
    const courses = [before.now]
    const timer = setInterval(() => courses.push(memoryOf(renderer).now), sampleMs)
    const headline = await runToTheEnd(page).finally(() => clearInterval(timer))
    // the kernel notes a high-water mark on some paths only, so what was seen counts as well
    const peak = Math.max(memoryOf(renderer).peak, ...courses)
    const bound = await printedBound(page)
    console.log(`  ${headline}`)
    if (options.trace) console.log(`  MiB over time: ${everyTwentieth(courses).map(inMib).join(' ')}`)
    return { layers, bytes, before: before.now, peak, bound }
  } finally {
    await context.close()
    rmSync(model, { recursive: true, force: true })
    rmSync(profile, { recursive: true, force: true })
  }
}

/** Model, recipes and text, as a person would give them. */
async function prepare(page, model) {
  await page.locator('input[data-picker="folder"]').first().setInputFiles(model)
  await page.waitForURL(/#inspect/)
  await goToRecipes(page)
  for (const recipe of options.recipe) {
    await page.getByRole('button', { name: 'Paste recipe' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByRole('textbox').fill(recipe)
    await dialog.locator('button[type="submit"]').click()
    await dialog.waitFor({ state: 'hidden' })
  }
  const text = 'Once upon a time there was a small house by the river. '.repeat(Math.ceil(Number(options.tokens) / 55))
  await page
    .locator('input[data-picker="evaluation"]')
    .setInputFiles({ name: 'short.txt', mimeType: 'text/plain', buffer: Buffer.from(text.slice(0, Number(options.tokens))) })
  await page.getByLabel('Tokens a window').selectOption(options.context)
}

/** Read after the run: the plan on the page is surely that of this text and these recipes by then. */
async function printedBound(page) {
  await goToRecipes(page)
  const plan = page.getByRole('region', { name: 'Plan of the run' })
  return bytesIn(await plan.locator('.qs-plan-fact', { hasText: 'peak memory, at most' }).locator('b').innerText())
}

async function goToRecipes(page) {
  await page
    .getByRole('navigation', { name: 'Steps' })
    .getByRole('link', { name: /Recipes/ })
    .click()
}

async function runToTheEnd(page) {
  await page.getByRole('button', { name: new RegExp(`^Run ${options.recipe.length} `) }).click()
  await page.waitForURL(/#run/)
  const end = page.getByRole('heading', { name: /measured in|^The run ended|^Stopped/ })
  await end.waitFor({ timeout: runTimeoutMs })
  const headline = await end.innerText()
  if (!headline.includes('measured in')) throw new Error(`${headline}: ${await page.getByRole('alert').allInnerTexts()}`)
  return headline
}

/** The largest renderer below the browser that has this profile: it holds the page and all its workers. */
function rendererOf(profile) {
  const processes = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((id) => {
      try {
        const parent = /^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${id}/status`, 'utf8'))?.[1]
        return [{ id, parent, command: readFileSync(`/proc/${id}/cmdline`, 'utf8') }]
      } catch {
        return [] // ended between the two reads
      }
    })
  const browser = processes.find(({ command }) => command.includes(`--user-data-dir=${profile}`) && !command.includes('--type='))
  const isBelow = ({ id, parent }) => id === browser?.id || processes.some((one) => one.id === parent && isBelow(one))
  const renderers = processes.filter((one) => one.command.includes('--type=renderer') && isBelow(one)).map(({ id }) => id)
  const [largest] = renderers.sort((one, other) => memoryOf(other).now - memoryOf(one).now)
  if (largest === undefined) throw new Error('The renderer of the page was not found among the processes.')
  return largest
}

/** Resident bytes of a process, now and at most so far; see proc_pid_status(5). */
function memoryOf(id) {
  const status = readFileSync(`/proc/${id}/status`, 'utf8')
  const bytesOf = (field) => 1024 * Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1])
  return { now: bytesOf('VmRSS'), peak: bytesOf('VmHWM') }
}

/** The page writes decimal units: `668.8 MB`, `2.20 GB`. */
function bytesIn(text) {
  const [, number, unit] = /^([\d.,]+) (kB|MB|GB)$/.exec(text) ?? []
  if (number === undefined) throw new Error(`The plan prints "${text}", which is no number of bytes.`)
  return Number(number.replaceAll(',', '')) * { kB: 1e3, MB: 1e6, GB: 1e9 }[unit]
}

function report(rows) {
  console.log(
    `\n${cpus()[0]?.model ?? 'unknown processor'}, ${cpus().length} logical cores; recipes ${options.recipe.join(', ')}; all in MiB\n`,
  )
  const head = ['source', 'blocks', 'page before', 'peak', 'bound', 'peak / bound', 'peak / first']
  const first = rows[0]?.peak ?? Number.NaN
  const table = rows.map(({ layers, bytes, before, peak, bound }) => [
    inMib(bytes),
    String(layers),
    inMib(before),
    inMib(peak),
    inMib(bound),
    (peak / bound).toFixed(2),
    (peak / first).toFixed(3),
  ])
  const widths = head.map((_, column) => Math.max(...[head, ...table].map((row) => row[column].length)))
  for (const row of [head, ...table]) console.log(row.map((cell, column) => cell.padStart(widths[column])).join('  '))
  const isBounded = rows.every(({ peak, bound }) => peak <= bound)
  const isFlat = rows.every(({ peak }) => peak <= largestGrowth * first)
  console.log(
    `\n${isFlat ? 'The peak does not grow with the model' : `The peak grows by over ${Math.round(100 * (largestGrowth - 1))} %`}.`,
  )
  console.log(isBounded ? 'Every peak is below the bound of its plan.' : 'A peak is above the bound of its plan.')
  return isBounded && isFlat
}

function everyTwentieth(samples) {
  return samples.filter((_, index) => index % Math.max(1, Math.ceil(samples.length / 20)) === 0)
}

function inMib(bytes) {
  return (bytes / mib).toFixed(0)
}
