// Compares the studio's code books and int8 rows with those of bitsandbytes, byte for byte (bitsandbytes.ts, bundled).
//   OMP_NUM_THREADS=1 VENV/bin/python scripts/interop/bitsandbytes_cases.py FOLDER && node scripts/interop/bitsandbytes.mjs FOLDER
import { bundleForNode } from '../bundle.mjs'

const [folder] = process.argv.slice(2)
if (folder === undefined) {
  console.error('usage: node scripts/interop/bitsandbytes.mjs FOLDER, which bitsandbytes_cases.py wrote')
  process.exit(2)
}
const urlOf = await bundleForNode('interop-bitsandbytes', { bitsandbytes: 'scripts/interop/bitsandbytes.ts' })
const { compare } = await import(urlOf('bitsandbytes').href)
process.exitCode = (await compare(folder)) ? 0 : 1
