// npm run bench: speed of kernels and forward passes, each beside what it is compared with in the same run.
//   npm run bench -- native      one part: native, conformance, kernels, scaling, factor, graphics, export, forward
//   npm run bench -- export --only onnx --only gptq:nearest-3bit-g32 --layers 3
//   npm run bench -- native --type Q4_K --type Q4_0 --rounds 15 --markdown
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import { bundleForNode } from './bundle.mjs'
import { ensureNativeGgml } from './native-ggml.mjs'
import { ensurePackages, requireNode20, run } from './setup.mjs'

requireNode20()
ensurePackages()
const urlOf = await bundleForNode('bench', {
  main: 'bench/main.ts',
  'kernel-worker': 'src/headless/kernel-worker.ts',
  'hash-worker': 'src/headless/hash-worker.ts',
})
const [first, ...rest] = process.argv.slice(2)
const isNamed = first !== undefined && !first.startsWith('--')
const wanted = isNamed ? first : undefined
const options = isNamed ? rest : process.argv.slice(2)
const threads = String(Math.min(cpus().length, 16))
const parts = [
  ['native'],
  ['conformance'],
  ['kernels'],
  ['scaling', '--threads', threads],
  ['factor', '--threads', threads],
  ['graphics', '--threads', threads],
  ['export', '--threads', threads],
  ['forward', '--threads', '1'],
  ['forward', '--threads', threads],
].filter(([part]) => wanted === undefined || part === wanted)

console.log(`${cpus()[0]?.model ?? 'unknown processor'}, ${cpus().length} logical cores, Node ${process.versions.node}\n`)
let failed = parts.length === 0
for (const part of parts) {
  const args = [fileURLToPath(urlOf('main')), ...part, ...options]
  if (part[0] === 'native') {
    const native = ensureNativeGgml()
    if (native.reason !== undefined) {
      console.log(`No comparison with native code: ${native.reason}.\n`)
      failed = failed || wanted === 'native'
      continue
    }
    args.push('--folder', native.folder, '--library', native.library, '--label', native.label)
  }
  failed = run(process.execPath, args) !== 0 || failed
}
process.exitCode = failed ? 1 : 0
