// What both commands need before anything else runs: packages, a Chromium, the WASM kernels. Node's own modules only.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..')

/** Runs a program in the project's folder, output passed through; returns its exit code. */
export function run(program, args, options = {}) {
  const result = spawnSync(program, args, { cwd: root, stdio: 'inherit', ...options })
  if (result.error !== undefined) throw result.error
  return result.status ?? 1
}

/** Path of a package's command, run with this Node: no npx, no shell. */
export function bin(packageName, command = packageName) {
  const manifest = path.join(root, 'node_modules', packageName, 'package.json')
  const { bin: commands } = JSON.parse(readFileSync(manifest, 'utf8'))
  return path.join(path.dirname(manifest), typeof commands === 'string' ? commands : commands[command])
}

export function requireNode20() {
  const major = Number(process.versions.node.split('.')[0])
  if (major < 20) {
    console.error(`Node ${process.versions.node} is too old: Quantization Studio needs Node 20 or newer.`)
    process.exit(2)
  }
}

/** Installs what is missing, or what the lock file has newer than the last installation. */
export function ensurePackages() {
  const installed = path.join(root, 'node_modules', '.package-lock.json')
  const lock = path.join(root, 'package-lock.json')
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs) return
  console.log('Installing packages …')
  // A registry that lacks some platform's optional packages fails `npm ci` although nothing needed here is missing.
  const options = ['--no-audit', '--no-fund']
  if (run('npm', ['ci', ...options]) !== 0 && run('npm', ['install', '--no-save', ...options]) !== 0) {
    console.error('npm could not install the packages; its messages are above.')
    process.exit(1)
  }
}

/** Builds the page when any source is newer than the last build. */
export function ensureBuilt() {
  const built = path.join(root, 'dist', 'index.html')
  const sources = ['src', 'workers', 'public', 'index.html', 'vite.config.ts', 'package-lock.json', 'scripts/build-wasm.mjs']
  const time = existsSync(built) ? statSync(built).mtimeMs : Number.NEGATIVE_INFINITY
  if (!sources.some((name) => isNewer(path.join(root, name), time))) return
  console.log('Building …')
  if (run(process.execPath, [path.join(root, 'scripts/build-wasm.mjs')]) !== 0) process.exit(1)
  if (run(process.execPath, [bin('vite'), 'build', '--logLevel', 'warn']) !== 0) process.exit(1)
}

function isNewer(file, time) {
  const entry = statSync(file)
  if (!entry.isDirectory()) return entry.mtimeMs > time
  return readdirSync(file).some((name) => name !== 'build' && isNewer(path.join(file, name), time))
}

/** A Chromium for the tests: the one there is, else Debian's package as root, else Playwright's own. */
export async function ensureChromium() {
  const { chromiumPath } = await import('./chromium.mjs')
  if (chromiumPath() !== null) return
  console.log('No Chromium found, getting one …')
  if (process.getuid?.() === 0 && existsSync('/usr/bin/apt-get')) {
    run('apt-get', ['update', '-qq'])
    run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'chromium'])
  }
  if (chromiumPath() === null) run(process.execPath, [bin('@playwright/test', 'playwright'), 'install', 'chromium'])
  if (chromiumPath() === null) {
    console.error('No Chromium could be installed. Install one and name it in the environment variable CHROMIUM.')
    process.exit(1)
  }
}

export const requireFromProject = createRequire(path.join(root, 'package.json'))
