// What the studio's GPTQ makes of single layers (layers.ts, bundled), for layers.py.
//   node scripts/quality/layers.mjs FOLDER RECIPE
import { bundleForNode } from '../bundle.mjs'

const urlOf = await bundleForNode('quality-layers', { layers: 'scripts/quality/layers.ts' })
const { main } = await import(urlOf('layers').href)
await main(process.argv.slice(2))
