// npm test: installs what is missing and runs every check and test. Closes with "N passed, N failed".
// `npm test -- --only unit,e2e` runs the named steps alone.
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { bin, ensureChromium, ensurePackages, requireNode20, root, run } from './setup.mjs'

const { values } = parseArgs({ options: { only: { type: 'string' } } })
const only = values.only?.split(',')

requireNode20()
ensurePackages()
await ensureChromium()

const reports = path.join(root, '.cache', 'test-reports')
rmSync(reports, { recursive: true, force: true })
mkdirSync(reports, { recursive: true })

const node = (packageName, command, ...args) => run(process.execPath, [bin(packageName, command), ...args])
const script = (name) => run(process.execPath, [path.join(root, 'scripts', name)])

/** Checks count as one test each; test runners report how many they ran. */
const steps = [
  { name: 'format', check: () => node('@biomejs/biome', 'biome', 'check', '.') },
  { name: 'wasm', check: () => script('build-wasm.mjs') },
  { name: 'types: page', check: () => node('typescript', 'tsc', '-p', 'tsconfig.app.json') },
  { name: 'types: workers', check: () => node('typescript', 'tsc', '-p', 'tsconfig.worker.json') },
  { name: 'types: tests', check: () => node('typescript', 'tsc', '-p', 'tsconfig.test.json') },
  { name: 'layers', check: () => node('dependency-cruiser', 'depcruise', 'src', 'workers', '--config', '.dependency-cruiser.cjs') },
  { name: 'lint', check: () => node('eslint', 'eslint', 'src', 'workers', 'e2e', 'bench', 'scripts') },
  { name: 'dead code', check: () => node('knip', 'knip') },
  { name: 'unit', tests: () => vitest('unit') },
  { name: 'kernels', tests: () => vitest('browser') },
  { name: 'build', check: () => node('vite', 'vite', 'build', '--logLevel', 'warn') },
  { name: 'bundle size', check: () => node('size-limit', 'size-limit') },
  { name: 'bundle content', check: () => script('check-bundle.mjs') },
  { name: 'e2e', tests: playwright },
].filter((step) => only === undefined || only.includes(step.name))

let passed = 0
let failed = 0
let skipped = 0
const failures = []
for (const step of steps) {
  console.log(`\n== ${step.name}`)
  const started = Date.now()
  const result = step.tests === undefined ? countCheck(step.check()) : step.tests()
  passed += result.passed
  failed += result.failed
  skipped += result.skipped
  if (result.failed > 0) failures.push(step.name)
  console.log(`== ${step.name}: ${result.failed === 0 ? 'ok' : 'FAILED'} in ${((Date.now() - started) / 1000).toFixed(1)} s`)
}
if (failures.length > 0) console.log(`\nFailed: ${failures.join(', ')}`)
console.log(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
process.exitCode = failed === 0 ? 0 : 1

function countCheck(code) {
  return { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: 0 }
}

function vitest(project) {
  const file = path.join(reports, `${project}.json`)
  const code = node('vitest', 'vitest', 'run', '--project', project, '--reporter=default', '--reporter=json', `--outputFile.json=${file}`)
  return counted(code, file, (report) => ({
    passed: report.numPassedTests,
    failed: report.numFailedTests,
    skipped: report.numPendingTests,
  }))
}

function playwright() {
  const file = path.join(reports, 'e2e.json')
  process.env.PLAYWRIGHT_JSON_OUTPUT_NAME = file
  const code = node('@playwright/test', 'playwright', 'test', '--reporter=list,json')
  return counted(code, file, ({ stats }) => ({ passed: stats.expected + stats.flaky, failed: stats.unexpected, skipped: stats.skipped }))
}

/** A runner that fails without a failed test (a crash, nothing collected) counts as one failure. */
function counted(code, file, read) {
  let counts
  try {
    counts = read(JSON.parse(readFileSync(file, 'utf8')))
  } catch {
    counts = { passed: 0, failed: 1, skipped: 0 }
  }
  if (code !== 0 && counts.failed === 0) counts.failed = 1
  if (counts.passed === 0 && counts.failed === 0) counts.failed = 1
  return counts
}
