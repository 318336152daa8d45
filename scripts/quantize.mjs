// npm run quantize: the walk from the command line. Bundles what Node cannot run as it is, then hands over.
import { bundleForNode } from './bundle.mjs'
import { ensurePackages, requireNode20 } from './setup.mjs'

requireNode20()
ensurePackages()
const bundled = await bundleForNode('quantize', {
  cli: 'src/headless/cli.ts',
  'kernel-worker': 'src/headless/kernel-worker.ts',
  'hash-worker': 'src/headless/hash-worker.ts',
})
const { main } = await import(bundled('cli').href)
// ONNX Runtime's threads keep the process alive, so the end is said, not awaited.
process.exit(await main(process.argv.slice(2), { kernel: bundled('kernel-worker'), hash: bundled('hash-worker') }))
