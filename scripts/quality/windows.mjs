// The token windows that a run of the studio calibrates and measures on (windows.ts, bundled), as JSON.
//   node scripts/quality/windows.mjs MODEL --calibration FILE --evaluation FILE [--context N] [--calibration-tokens N] [--max-tokens N] [--seed N]
import { bundleForNode } from '../bundle.mjs'

const urlOf = await bundleForNode('quality-windows', { windows: 'scripts/quality/windows.ts' })
const { main } = await import(urlOf('windows').href)
await main(process.argv.slice(2))
