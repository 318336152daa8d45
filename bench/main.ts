import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import type { GgmlType } from '../src/kernels/contract/ggml.ts'
import { benchConformance } from './conformance.ts'
import { benchExport, benchExportCase } from './exporting.ts'
import { benchFactor } from './factor.ts'
import { benchForward, forwardTable } from './forward.ts'
import { benchGraphics } from './graphics.ts'
import { benchKernels, benchScaling, kernelTable, scalingTable } from './kernels.ts'
import { benchNative, nativeMarkdown, nativeTable } from './native.ts'

// One part in one process, so that a part's threads and memory do not disturb the next. Printed as one text.
const { positionals, values: options } = parseArgs({
  allowPositionals: true,
  options: {
    threads: { type: 'string', default: String(cpus().length) },
    rounds: { type: 'string' },
    type: { type: 'string', multiple: true },
    markdown: { type: 'boolean', default: false },
    // of exports: formats, or format:recipe
    only: { type: 'string', multiple: true, default: [] },
    // of the model that is exported
    layers: { type: 'string', default: '1' },
    // where scripts/native-ggml.mjs put the native library
    folder: { type: 'string', default: '' },
    library: { type: 'string', default: '' },
    label: { type: 'string', default: 'libggml' },
  },
})
const threads = Number(options.threads)
const rounds = options.rounds === undefined ? {} : { rounds: Number(options.rounds) }

async function native(): Promise<string> {
  const { folder, library, label } = options
  const types = options.type === undefined ? {} : { types: options.type as GgmlType[] }
  const rows = await benchNative({ folder, library, ...types, ...rounds })
  if (rows.some(({ isEqual }) => !isEqual)) process.exitCode = 1
  return options.markdown ? nativeMarkdown(rows) : nativeTable(rows, label)
}

async function graphics(): Promise<string> {
  const { text, isEqual } = await benchGraphics(new URL('./kernel-worker.mjs', import.meta.url), { threads, ...rounds })
  if (!isEqual) process.exitCode = 1
  return text
}

async function conformance(): Promise<string> {
  const { text, isEqual } = await benchConformance()
  if (!isEqual) process.exitCode = 1
  return text
}

const workers = { kernel: new URL('./kernel-worker.mjs', import.meta.url), hash: new URL('./hash-worker.mjs', import.meta.url) }

/** One export in a process of its own, started by the part `export`. */
function exportCase(): Promise<string> {
  const { folder, label: planHash, only } = options
  return benchExportCase({ folder, planHash, name: only[0] ?? '', threads, workers, rounds: rounds.rounds ?? 1 })
}

async function factor(): Promise<string> {
  for await (const line of benchFactor(workers.kernel, { threads, ...rounds })) process.stdout.write(line)
  return ''
}

const parts: Readonly<Record<string, () => Promise<string>>> = {
  native,
  conformance,
  graphics,
  kernels: async () => kernelTable(await benchKernels(rounds)),
  scaling: async () => scalingTable(await benchScaling(new URL('./kernel-worker.mjs', import.meta.url), { threads, ...rounds })),
  factor,
  export: () => benchExport(new URL(import.meta.url), { threads, workers, only: options.only, layers: Number(options.layers), ...rounds }),
  'export-case': exportCase,
  forward: async () => forwardTable(await benchForward({ threads, ...rounds })),
}

const [part = ''] = positionals
const bench = parts[part]
if (bench === undefined) throw new Error(`no bench named "${part}": ${Object.keys(parts).join(', ')}`)
process.stdout.write(`${await bench()}\n\n`)
process.exit()
