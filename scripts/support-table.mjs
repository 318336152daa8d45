// npm run support: judges every kernel of every backend in Chromium against the reference and prints the table of docs/support.md.
import { mkdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { bin, ensureChromium, ensurePackages, requireNode20, root, run } from './setup.mjs'

requireNode20()
ensurePackages()
await ensureChromium()

const reports = path.join(root, '.cache', 'test-reports')
mkdirSync(reports, { recursive: true })
const report = path.join(reports, 'support.json')
const tests = ['--project', 'browser', 'src/kernels/kernels.browser.test.ts']
const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
const built = run(process.execPath, [path.join(root, 'scripts', 'build-wasm.mjs')])
process.exitCode = built === 0 ? run(process.execPath, [bin('vitest', 'vitest'), 'run', ...tests, ...reporters]) : built
if (process.exitCode === 0) {
  const { testResults } = JSON.parse(readFileSync(report, 'utf8'))
  const tables = testResults.flatMap((file) => file.assertionResults).map((test) => test.meta.supportTable)
  console.log(`\n${tables.find((table) => table !== undefined)}`)
}
