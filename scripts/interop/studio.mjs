// What the studio itself makes of a model (studio.ts, bundled), for comparison with other programs.
//   node scripts/interop/studio.mjs MODEL --recipe R… --text FILE [--calibration FILE] [--calibration-tokens N] [--max-tokens N] [--seed N] [--threads N] [--engine wasm|native] [--prompt TEXT] [--tokens N] [--weights FOLDER]
import { bundleForNode } from '../bundle.mjs'

const urlOf = await bundleForNode('interop', { studio: 'scripts/interop/studio.ts', 'kernel-worker': 'src/headless/kernel-worker.ts' })
const { main } = await import(urlOf('studio').href)
// ONNX Runtime's threads keep the process alive, so the end is said, not awaited.
await main(process.argv.slice(2), urlOf('kernel-worker'))
process.exit(0)
