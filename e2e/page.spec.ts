import path from 'node:path'
import AxeBuilder from '@axe-core/playwright'
import { makeSyntheticCheckpoint } from '../scripts/synthetic-checkpoint.mjs'
import { expect, shortText, test } from './support/studio.ts'

const steps = ['Open', 'Inspect', 'Recipes', 'Run', 'Compare', 'Export'] as const

test('every step at three widths: no sideways scroll, nothing serious for axe', async ({ studio, page, folder }) => {
  test.setTimeout(240_000)
  const model = path.join(folder, 'tiny')
  makeSyntheticCheckpoint({ out: model })
  await studio.open()
  await studio.dropFolder(model)
  await expect(page).toHaveURL(/#inspect/)
  await studio.goTo('Recipes')
  // The first is in the editor: its list of types is the widest control there.
  await studio.pasteRecipes('["Q8_0", "nearest-4bit-g32"]')
  await studio.evaluateOn({ name: 'short.txt', text: shortText })
  await studio.run()
  await studio.export('Q8_0', /GGUF/)
  for (const scheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme: scheme })
    for (const width of [1280, 768, 390]) {
      await page.setViewportSize({ width, height: 900 })
      for (const step of steps) {
        await studio.goTo(step)
        await expect(studio.heading).toBeVisible()
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
        expect(overflow, `${step} at ${String(width)} scrolls sideways`).toBeLessThanOrEqual(0)
        if (width !== 768) {
          const { violations } = await new AxeBuilder({ page }).analyze()
          const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')
          expect(serious.map(({ id, nodes }) => `${step} ${scheme} ${String(width)}: ${id} ${nodes[0]?.html ?? ''}`)).toEqual([])
        }
      }
    }
  }
})

test('the whole way by keyboard alone', async ({ studio, page }) => {
  await studio.open()
  const sample = page.getByRole('button', { name: 'Quantize the sample' })
  for (let presses = 0; presses < 40; presses++) {
    if (await sample.evaluate((element) => element === document.activeElement)) break
    await page.keyboard.press('Tab')
  }
  await page.keyboard.press('Enter')
  await expect(studio.table).toBeVisible({ timeout: 180_000 })
  await page.keyboard.press('6')
  await expect(page).toHaveURL(/#export/)
  await page.keyboard.press('1')
  await expect(page).toHaveURL(/#open/)
  await page.goBack()
  await expect(page).toHaveURL(/#export/)
})

test('the main thread stays free during a run', async ({ studio, page }) => {
  await page.addInitScript(() => {
    const tasks: number[] = []
    Object.assign(window, { longTasks: tasks })
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) tasks.push(entry.duration)
    }).observe({ type: 'longtask', buffered: false })
  })
  await studio.open()
  await page.getByRole('button', { name: 'Quantize the sample' }).click()
  await studio.goTo('Run')
  await studio.finished()
  const tasks = await page.evaluate(() => (window as unknown as { longTasks: number[] }).longTasks)
  test.info().annotations.push({
    type: 'long tasks',
    description: `long tasks of the main thread during opening and run, ms: ${tasks.map(Math.ceil).join(', ') || 'none over 50'}`,
  })
  expect(await page.evaluate(() => crossOriginIsolated)).toBe(true)
})
