// The built page in Chromium, driven as a person drives it: choose the recipe; then, with the clock running, drop a folder, quantize it
// without measuring, write and check a GGUF.
import { mkdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { chromiumFlags, chromiumPath } from '../chromium.mjs'
import { largestWhile, memoryOf, processesBelow, processorSecondsOf } from './processes.mjs'

const sampleMs = 100
/** Between two looks at the page. */
const lookMs = 100
const timeout = 30 * 60_000

/**
 * Wall seconds from the drop to the proved file; processor time of all of the browser's processes; the peak of the renderer
 * that holds the page and its workers. Saves the file to `output`.
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
    const read = () => {
      return { peak: memoryOf(renderer.id).peak, all: processes.reduce((sum, { id }) => sum + memoryOf(id).now, 0) }
    }
    const { largest } = await largestWhile(dropToProof(page, { model, recipe }), read, sampleMs)
    const seconds = (performance.now() - startedAt) / 1000
    const used = processorSeconds() - before
    await save(page, output)
    return { seconds, processorSeconds: used, ...largest }
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
  await goTo(page, /Open/)
}

async function dropToProof(page, { model, recipe }) {
  await page.locator('input[data-picker="folder"]').first().setInputFiles(model)
  await page.waitForURL(/#inspect/, { timeout })
  await goTo(page, /Recipes/)
  await page.getByLabel('Measure', { exact: true }).selectOption('none')
  await page.getByRole('button', { name: /^Run 1 / }).click()
  const end = page.getByRole('heading', { name: /quantized in|^The run ended/ })
  await appears(end)
  const headline = await end.innerText()
  if (!headline.includes('quantized in')) throw new Error(`${headline}: ${await page.getByRole('alert').allInnerTexts()}`)
  await goTo(page, /Export/)
  const cell = page.getByRole('checkbox', { name: new RegExp(`^${recipe} as GGUF`) })
  await appears(cell)
  if ((await cell.getAttribute('aria-checked')) !== 'true') await cell.click()
  await page.getByRole('button', { name: /^Write and check/ }).click()
  await appears(page.getByRole('button', { name: /^Save \d+ file/ }))
}

/** Playwright's own waiting looks at every frame, on the processor that is measured. */
async function appears(locator) {
  for (const endsAt = performance.now() + timeout; !(await locator.isVisible()); ) {
    if (performance.now() > endsAt) throw new Error(`nothing to see of ${locator}`)
    await sleep(lookMs)
  }
}

/** The weights alone. */
async function save(page, output) {
  const [download] = await Promise.all([
    page.waitForEvent('download', { timeout }),
    page.getByRole('button', { name: /^Save .*\.gguf alone$/ }).click(),
  ])
  await download.saveAs(output)
}
