import { cpus } from 'node:os'
import { benchForward, forwardTable } from './forward.ts'
import { benchKernels, benchScaling, kernelTable, scalingTable } from './kernels.ts'

/** One part in one process, so that a part's threads and memory do not disturb the next: `kernels`, `scaling`, `forward N`. */
const parts: Readonly<Record<string, (argument: number) => Promise<string>>> = {
  kernels: async () => kernelTable(await benchKernels()),
  scaling: async (threads) => scalingTable(await benchScaling(new URL('./kernel-worker.mjs', import.meta.url), { threads })),
  forward: async (threads) => forwardTable(await benchForward({ threads })),
}

const [part = '', argument = String(cpus().length)] = process.argv.slice(2)
const bench = parts[part]
if (bench === undefined) throw new Error(`no bench named "${part}": ${Object.keys(parts).join(', ')}`)
process.stdout.write(`${await bench(Number(argument))}\n\n`)
process.exit(0)
