import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test as base, type Download, expect, type Locator, type Page } from '@playwright/test'

/** The page as a person drives it: only roles, names and the pickers behind the buttons. */
export class Studio {
  /** Uncaught errors and console errors of the page; a test that expects none checks it. */
  readonly faults: string[] = []
  readonly page: Page

  constructor(page: Page) {
    this.page = page
    page.on('pageerror', (error) => this.faults.push(error.message))
    page.on('console', (message) => {
      if (message.type() === 'error') this.faults.push(message.text())
    })
  }

  async open(hash = ''): Promise<void> {
    await this.page.goto(`/${hash}`)
    await expect(this.heading).toBeVisible()
  }

  get heading(): Locator {
    return this.page.getByRole('heading', { level: 1 })
  }

  async goTo(step: 'Open' | 'Inspect' | 'Recipes' | 'Run' | 'Compare' | 'Export'): Promise<void> {
    await this.page
      .getByRole('navigation', { name: 'Steps' })
      .getByRole('link', { name: new RegExp(step) })
      .click()
  }

  async dropFolder(folder: string): Promise<void> {
    await this.page.locator('input[data-picker="folder"]').first().setInputFiles(folder)
  }

  async addFiles(files: readonly string[]): Promise<void> {
    await this.page
      .locator('input[data-picker="files"]')
      .first()
      .setInputFiles([...files])
  }

  async useHub(endpoint: string): Promise<void> {
    await this.page.getByRole('button', { name: 'Mirror' }).click()
    await this.page.getByRole('textbox', { name: 'Hub address' }).fill(endpoint)
    await this.page.getByRole('button', { name: 'Use', exact: true }).click()
    await this.page.getByRole('button', { name: 'Mirror' }).click()
  }

  async evaluateOn(file: { name: string; text: string }): Promise<void> {
    await this.page
      .locator('input[data-picker="evaluation"]')
      .setInputFiles({ name: file.name, mimeType: 'text/plain', buffer: Buffer.from(file.text) })
  }

  /** Adds recipes by preset id or JSON through "Paste recipe". */
  async pasteRecipes(text: string): Promise<void> {
    await this.page.getByRole('button', { name: 'Paste recipe' }).click()
    const dialog = this.page.getByRole('dialog')
    await dialog.getByRole('textbox').fill(text)
    await dialog.locator('button[type="submit"]').click()
    await expect(dialog).toBeHidden()
  }

  /** Starts the run from the plan bar and waits for the report. */
  async run(timeout = 180_000): Promise<void> {
    await this.page.getByRole('button', { name: /^Run \d/ }).click()
    await expect(this.page).toHaveURL(/#run/)
    await this.finished(timeout)
  }

  /** The table of all recipes exists once the report is there. */
  async finished(timeout = 180_000): Promise<void> {
    await this.goTo('Compare')
    await expect(this.table).toBeVisible({ timeout })
  }

  get table(): Locator {
    return this.page.getByRole('region', { name: 'Table of all recipes' })
  }

  rowOf(id: string): Locator {
    return this.table.getByRole('row').filter({ has: this.page.getByRole('rowheader', { name: new RegExp(`^${escape(id)}`) }) })
  }

  /** Writes one recipe to one format, waits for the proof and saves the download; returns its files by path inside the archive. */
  async export(recipeId: string, title: RegExp): Promise<ReadonlyMap<string, Buffer>> {
    await this.goTo('Export')
    const cell = this.page.getByRole('checkbox', { name: new RegExp(`^${escape(recipeId)} as ${title.source}`) })
    if ((await cell.getAttribute('aria-checked')) !== 'true') await cell.click()
    await this.page.getByRole('button', { name: /^Write and check/ }).click()
    const save = this.page.getByRole('button', { name: /^Save \d+ file/ })
    await expect(save).toBeVisible({ timeout: 60_000 })
    const [download] = await Promise.all([this.page.waitForEvent('download'), save.click()])
    return unpacked(download)
  }
}

/** Taken apart by the system's own tar. */
async function unpacked(download: Download): Promise<ReadonlyMap<string, Buffer>> {
  const folder = mkdtempSync(path.join(tmpdir(), 'download-'))
  try {
    execFileSync('tar', ['-xf', await download.path(), '-C', folder])
    const top = path.join(folder, download.suggestedFilename().replace(/\.tar$/, ''))
    const names = readdirSync(top, { recursive: true, encoding: 'utf8' }).filter((name) => statSync(path.join(top, name)).isFile())
    return new Map(names.map((name) => [name, readFileSync(path.join(top, name))]))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const escape = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')

interface Fixtures {
  readonly studio: Studio
  /** A folder of its own for each test, removed afterwards. */
  readonly folder: string
}

export const test = base.extend<Fixtures>({
  studio: async ({ page }, provide) => {
    await provide(new Studio(page))
  },
  folder: async ({}, provide) => {
    const folder = mkdtempSync(path.join(tmpdir(), 'studio-'))
    await provide(folder)
    rmSync(folder, { recursive: true, force: true })
  },
})

export { expect } from '@playwright/test'

/** Prose enough for a few windows of a byte tokenizer. */
export const shortText = 'Once upon a time there was a small house by the river, and in it lived a girl named Anna. '.repeat(30)
