// npm start: installs what is missing, builds when sources changed, serves the studio with its sample.
import { existsSync, readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { bin, ensurePackages, requireNode20, root, run } from './setup.mjs'

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '4173' },
    host: { type: 'string', default: 'localhost' },
    'hub-endpoint': { type: 'string', multiple: true, default: [] },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) {
  console.log(`npm start -- [--port 4173] [--host localhost] [--hub-endpoint URL …]

Serves Quantization Studio. The page may read from itself and from the Hub only; a mirror or an own Hub
must be named here too (--hub-endpoint), because the page's security policy is fixed when it is served.`)
  process.exit(0)
}

requireNode20()
ensurePackages()
if (isStale()) {
  console.log('Building …')
  if (run(process.execPath, [path.join(root, 'scripts/build-wasm.mjs')]) !== 0) process.exit(1)
  if (run(process.execPath, [bin('vite'), 'build', '--logLevel', 'warn']) !== 0) process.exit(1)
}

process.chdir(root)
process.env.STUDIO_HUB_ENDPOINTS = values['hub-endpoint'].join(' ')
const { preview } = await import('vite')
const server = await preview({ root, preview: { port: Number(values.port), host: values.host } })
console.log('\nQuantization Studio')
server.printUrls()
console.log('  Stop with Ctrl+C.')

/** Whether any source is newer than the last build. */
function isStale() {
  const built = path.join(root, 'dist', 'index.html')
  if (!existsSync(built)) return true
  const time = statSync(built).mtimeMs
  return ['src', 'workers', 'public', 'index.html', 'vite.config.ts', 'package-lock.json', 'scripts/build-wasm.mjs'].some((name) =>
    isNewer(path.join(root, name), time),
  )
}

function isNewer(file, time) {
  const entry = statSync(file)
  if (!entry.isDirectory()) return entry.mtimeMs > time
  return readdirSync(file).some((name) => name !== 'build' && isNewer(path.join(file, name), time))
}
