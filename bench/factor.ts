import { Worker } from 'node:worker_threads'
import { createRandom } from '../src/core/random.ts'
import { sharedFloats } from '../src/core/shared-memory.ts'
import type { Kernels, Matrix } from '../src/kernels/contract/kernels.ts'
import { createKernelPool } from '../src/kernels/pool.ts'
import { nodeWorkerPort } from '../src/kernels/port.ts'
import { inTurn, median } from './rounds.ts'

const rows = 2048
const tokens = 4096

function uniform(height: number, columns: number): Matrix {
  const random = createRandom(1)
  const data = sharedFloats(height * columns)
  for (let at = 0; at < data.length; at++) data[at] = random.next() - 0.5
  return { data, rows: height, columns }
}

/**
 * The factor of error feedback in f64 and in f32 (with its check) in turn, and what it is of a whole GPTQ layer of 2048 rows and
 * 4096 tokens: symmetric 4-bit groups of 128, damping of 1 %. On one thread and on `threads`. Seconds, medians of the rounds.
 */
export async function benchFactor(threadFile: URL, { threads = 2, rounds = 3, widths = [2048, 4096, 5632] } = {}): Promise<string> {
  const lines = ['columns threads    G  factor f64  f32  ratio  sweep  layer f64  f32  ratio  residual']
  for (const columns of widths) {
    for (const count of threads > 1 ? [1, threads] : [1]) {
      const kernels = await createKernelPool({ threads: count, spawn: () => nodeWorkerPort(new Worker(threadFile)) })
      lines.push(await lineOf(kernels, columns, rounds))
      await kernels.close()
    }
  }
  return lines.join('\n')
}

async function lineOf(kernels: Kernels, columns: number, rounds: number): Promise<string> {
  const [inputs, weight] = [uniform(tokens, columns), uniform(rows, columns)]
  const empty = new Float32Array(columns * columns)
  const gram = await kernels.accumulateGram(empty, inputs)
  const mean = gram.reduce((sum, value, at) => sum + (at % (columns + 1) === 0 ? value : 0), 0) / columns
  const factorBy = (f32From: number) => kernels.factorInverse(gram, { order: null, damping: 0.01 * mean, f32From })
  const factor = await factorBy(0)
  if (factor.kind !== 'factor' || factor.f32Residual === null) throw new Error('a damped Gram matrix has a factor in f32')
  const groupOf = Int32Array.from({ length: columns }, (_, position) => Math.floor(position / 128))
  const grid = { kind: 'fit', bits: 4, isSymmetric: true, clip: 'none' } as const
  const options = { upper: factor.upper, order: null, block: 128, groups: Math.ceil(columns / 128), groupOf, grid }
  const timings = await inTurn(
    [
      () => kernels.accumulateGram(empty, inputs),
      () => factorBy(Infinity),
      () => factorBy(0),
      () => kernels.sweepColumns(weight, options),
    ],
    { rounds, warmUp: 0 },
  )
  const [multiplied = 0, exact = 0, quick = 0, swept = 0] = timings.map(({ clock }) => median(clock))
  const [before, after] = [multiplied + exact + swept, multiplied + quick + swept]
  const cells: readonly (readonly [string, number])[] = [
    [String(columns), 7],
    [String(kernels.threads), 7],
    [multiplied.toFixed(2), 5],
    [exact.toFixed(2), 11],
    [quick.toFixed(2), 5],
    [(exact / quick).toFixed(2), 6],
    [swept.toFixed(2), 6],
    [before.toFixed(2), 10],
    [after.toFixed(2), 5],
    [(before / after).toFixed(2), 6],
    [`${factor.f32Residual.toExponential(1)}${factor.computedIn === 'f64' ? ', refused' : ''}`, 9],
  ]
  return cells.map(([text, width]) => text.padStart(width)).join(' ')
}
