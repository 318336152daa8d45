// npm start: installs what is missing, builds when sources changed, serves the studio with its sample.
import { parseArgs } from 'node:util'
import { ensureBuilt, ensurePackages, requireNode20, root } from './setup.mjs'

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
ensureBuilt()

process.chdir(root)
process.env.STUDIO_HUB_ENDPOINTS = values['hub-endpoint'].join(' ')
const { preview } = await import('vite')
const server = await preview({ root, preview: { port: Number(values.port), host: values.host } })
console.log('\nQuantization Studio')
server.printUrls()
console.log('  Stop with Ctrl+C.')
