// The native library that the bench compares with: libggml-base of node-llama-cpp's prebuilt packages, called through koffi. Not
// dependencies of the studio: installed on demand into .cache/native, without running any package's scripts.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { root, run } from './setup.mjs'

const folder = path.join(root, '.cache/native')
const koffi = { name: 'koffi', version: '3.3.4' }
const version = '3.22.1'
const platforms = {
  'linux-x64': 'linux-x64',
  'linux-arm64': 'linux-arm64',
  'darwin-x64': 'mac-x64',
  'darwin-arm64': 'mac-arm64-metal',
  'win32-x64': 'win-x64',
  'win32-arm64': 'win-arm64',
}

function isInstalled({ name, version: wanted }) {
  const manifest = path.join(folder, 'node_modules', name, 'package.json')
  return existsSync(manifest) && JSON.parse(readFileSync(manifest, 'utf8')).version === wanted
}

/** `{ folder, library, label }` of what is installed, or `{ reason }` why there is nothing to compare with. */
export function ensureNativeGgml() {
  const platform = platforms[`${process.platform}-${process.arch}`]
  if (platform === undefined) return { reason: `node-llama-cpp has no prebuilt library for ${process.platform}-${process.arch}` }
  const prebuilt = { name: `@node-llama-cpp/${platform}`, version }
  const missing = [koffi, prebuilt].filter((item) => !isInstalled(item))
  if (missing.length > 0) {
    console.log(`Installing ${missing.map((item) => `${item.name} ${item.version}`).join(' and ')} into .cache/native …`)
    const names = [koffi, prebuilt].map((item) => `${item.name}@${item.version}`)
    const options = ['--prefix', folder, '--ignore-scripts', '--no-save', '--no-audit', '--no-fund', '--loglevel=error']
    if (run('npm', ['install', ...options, ...names]) !== 0) return { reason: 'npm could not install the packages; its messages are above' }
  }
  const binaries = path.join(folder, 'node_modules', prebuilt.name, 'bins')
  const library = readdirSync(binaries, { recursive: true }).find((file) => /ggml-base\.(so|dylib|dll)$/.test(file))
  if (library === undefined) return { reason: `${prebuilt.name} ${version} holds no libggml-base` }
  return {
    folder,
    library: path.join(binaries, library),
    label: `libggml-base of node-llama-cpp ${version} (${platform}) through koffi ${koffi.version}`,
  }
}
