import { defineConfig } from '@playwright/test'
import { chromiumFlags, chromiumPath } from './scripts/chromium.mjs'

const port = 4179
const executablePath = chromiumPath()

/** The built page, served as `npm start` serves it, in a Chromium with a software WebGPU adapter. */
export default defineConfig({
  testDir: 'e2e',
  outputDir: 'test-results',
  workers: 1,
  fullyParallel: false,
  timeout: 240_000,
  expect: { timeout: 20_000 },
  use: {
    baseURL: `http://localhost:${port}`,
    viewport: { width: 1280, height: 900 },
    launchOptions: { ...(executablePath === null ? {} : { executablePath }), args: chromiumFlags },
    trace: 'retain-on-failure',
  },
  webServer: {
    command: `node scripts/start.mjs --port ${port} --hub-endpoint http://127.0.0.1:*`,
    url: `http://localhost:${port}/`,
    reuseExistingServer: false,
    timeout: 180_000,
  },
})
