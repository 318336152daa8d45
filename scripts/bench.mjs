// npm run bench: speed of kernels and forward passes, each beside what it is compared with in the same run.
// `npm run bench -- kernels` runs one part.
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import { bundleForNode } from './bundle.mjs'
import { ensurePackages, requireNode20, run } from './setup.mjs'

requireNode20()
ensurePackages()
const urlOf = await bundleForNode('bench', { main: 'bench/main.ts', 'kernel-worker': 'src/headless/kernel-worker.ts' })
const wanted = process.argv[2]
const threads = String(Math.min(cpus().length, 16))
const parts = [['kernels'], ['scaling', threads], ['forward', '1'], ['forward', threads]].filter(
  ([part]) => wanted === undefined || part === wanted,
)

console.log(`${cpus()[0]?.model ?? 'unknown processor'}, ${cpus().length} logical cores, Node ${process.versions.node}\n`)
let failed = parts.length === 0
for (const part of parts) failed = run(process.execPath, [fileURLToPath(urlOf('main')), ...part]) !== 0 || failed
process.exitCode = failed ? 1 : 0
