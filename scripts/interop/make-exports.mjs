// Exports of one model beside what the studio computes from them (make-exports.ts, bundled): one step of `npm run test:interop`.
//   node scripts/interop/make-exports.mjs JOB.json
import { bundleForNode } from '../bundle.mjs'

const urlOf = await bundleForNode('make-exports', {
  'make-exports': 'scripts/interop/make-exports.ts',
  'kernel-worker': 'src/headless/kernel-worker.ts',
})
const { main } = await import(urlOf('make-exports').href)
// ONNX Runtime's threads keep the process alive, so the end is said, not awaited.
await main(process.argv[2], urlOf('kernel-worker'))
process.exit(0)
