import { existsSync } from 'node:fs'
import { chromium } from '@playwright/test'

/** WebGPU through SwiftShader where there is no GPU, and no traffic of the browser's own. */
export const chromiumFlags = [
  '--no-sandbox',
  '--enable-unsafe-webgpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** The Chromium to test with: CHROMIUM, a system one, or Playwright's own; `null` when there is none. */
export function chromiumPath() {
  const candidates = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome', playwrightPath()]
  return candidates.find((path) => path !== undefined && existsSync(path)) ?? null
}

function playwrightPath() {
  try {
    return chromium.executablePath()
  } catch {
    return undefined
  }
}
