// The built page in Chromium, driven as a person drives it: choose the recipe; then, with the clock running, drop a folder, quantize it
// without measuring, write and check a GGUF.
import { mkdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { chromiumFlags, chromiumPath } from '../chromium.mjs'
import { largestWhile, memoryOf, processesBelow, processorSecondsOf } from './processes.mjs'

const sampleMs = 100
const timeout = 30 * 60_000

/**
 * Wall seconds from the drop to the written file, to the proved one, and until its SHA-256 is there as well and it can be saved;
 * processor time of all of the browser's processes until then; the peak of the renderer that holds the page and its workers. Saves
 * the file to `output`.
 */
export async function quantizeInChromium({ address, model, recipe, folder, output }) {
  const profile = path.join(folder, 'profile')
  mkdirSync(profile)
  const { chromium } = await import('@playwright/test')
  const context = await chromium.launchPersistentContext(profile, { executablePath: chromiumPath() ?? undefined, args: chromiumFlags })
  try {
    const page = context.pages()[0] ?? (await context.newPage())
    await page.goto(address)
    await page.getByRole('heading', { level: 1 }).waitFor()
    await choose(page, recipe)
    const processes = processesBelow(`--user-data-dir=${profile}`)
    const processorSeconds = () => processes.reduce((sum, { id }) => sum + processorSecondsOf(id), 0)
    const [renderer] = processes
      .filter(({ command }) => command.includes('--type=renderer'))
      .sort((one, other) => memoryOf(other.id).now - memoryOf(one.id).now)
    const before = processorSeconds()
    const startedAt = performance.now()
    const reached = { written: Number.NaN, proved: Number.NaN }
    const onReached = (step) => (reached[step] = (performance.now() - startedAt) / 1000)
    const read = () => {
      return { peak: memoryOf(renderer.id).peak, all: processes.reduce((sum, { id }) => sum + memoryOf(id).now, 0) }
    }
    const { largest } = await largestWhile(dropToSums(page, { model, recipe, onReached }), read, sampleMs)
    const seconds = (performance.now() - startedAt) / 1000
    const used = processorSeconds() - before
    await save(page, output)
    return { ...reached, seconds, processorSeconds: used, ...largest }
  } finally {
    await context.close()
    rmSync(profile, { recursive: true, force: true })
  }
}

const goTo = (page, step) => page.getByRole('navigation', { name: 'Steps' }).getByRole('link', { name: step }).click()

/** Before the model is there, as a command line has its options. */
async function choose(page, recipe) {
  await goTo(page, /Recipes/)
  await page.getByRole('button', { name: 'Paste recipe' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByRole('textbox').fill(recipe)
  await dialog.locator('button[type="submit"]').click()
  await dialog.waitFor({ state: 'hidden' })
  await page.getByLabel('Measure', { exact: true }).selectOption('none')
  await goTo(page, /Open/)
}

/** `onReached` is called with `written` and `proved` when the page says so; resolves when the file can be saved. */
async function dropToSums(page, { model, recipe, onReached }) {
  await page.locator('input[data-picker="folder"]').first().setInputFiles(model)
  await page.waitForURL(/#inspect/, { timeout })
  await goTo(page, /Recipes/)
  await page.getByRole('button', { name: /^Run 1 / }).click()
  const headline = await appears(page, 'h1', /quantized in|^The run ended/)
  if (!headline.includes('quantized in')) throw new Error(`${headline}: ${await page.getByRole('alert').allInnerTexts()}`)
  await goTo(page, /Export/)
  const cell = page.getByRole('checkbox', { name: new RegExp(`^${recipe} as GGUF`) })
  if ((await cell.getAttribute('aria-checked')) !== 'true') await cell.click()
  await page.getByRole('button', { name: /^Write and check/ }).click()
  const steps = 'section li, button'
  await appears(page, steps, /^Written, done/).then(() => onReached('written'))
  await appears(page, steps, /^Every tensor equals what was stored, done/).then(() => onReached('proved'))
  await appears(page, steps, /^Save \d+ file/)
}

/**
 * The text of an element when it is there. The page itself tells: a look that is repeated, as Playwright's waiting at every frame,
 * is work for the processor that is measured.
 */
function appears(page, selector, pattern) {
  return page.evaluate(
    ([selector, pattern, timeout]) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const texts = [...document.querySelectorAll(selector)].map(({ textContent }) => textContent.trim())
          const found = texts.find((text) => new RegExp(pattern).test(text))
          if (found === undefined) return
          observer.disconnect()
          resolve(found)
        }
        const observer = new MutationObserver(look)
        observer.observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true })
        look()
        setTimeout(() => reject(new Error(`nothing to see of ${pattern}`)), timeout)
      }),
    [selector, pattern.source, timeout],
  )
}

/** The weights alone. */
async function save(page, output) {
  const [download] = await Promise.all([
    page.waitForEvent('download', { timeout }),
    page.getByRole('button', { name: /^Save .*\.gguf alone$/ }).click(),
  ])
  await download.saveAs(output)
}
