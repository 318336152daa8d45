import { Worker } from 'node:worker_threads'
import { createRandom } from '../src/core/random.ts'
import { sharedFloats } from '../src/core/shared-memory.ts'
import type { InverseFactor } from '../src/kernels/contract/feedback.ts'
import type { Kernels, Matrix } from '../src/kernels/contract/kernels.ts'
import { createKernelPool } from '../src/kernels/pool.ts'
import { nodeWorkerPort } from '../src/kernels/port.ts'
import { inTurn, median } from './rounds.ts'

const rows = 2048
const tokens = 4096
/** 1 % of the mean of the diagonal, for inputs as below. */
const damping = (0.01 * tokens) / 12

/** Uniform in [-0.5, 0.5). */
function uniform(height: number, columns: number): Matrix {
  const random = createRandom(1)
  return { data: sharedFloats(height * columns).map(() => random.next() - 0.5), rows: height, columns }
}

/**
 * The factor of error feedback in f64 and in f32 (with its check) in turn, and what it is of a whole GPTQ layer of 2048 rows and
 * 4096 tokens in symmetric 4-bit groups of 128; on one thread and on `threads`. Seconds, medians of the rounds. A line at a
 * time, since the wide ones take long.
 */
export async function* benchFactor(threadFile: URL, { threads = 2, rounds = 3, widths = [2048, 4096, 5632] } = {}): AsyncGenerator<string> {
  yield 'columns threads     G  factor f64   f32 ratio  sweep  layer f64   f32 ratio  residual\n'
  for (const columns of widths) {
    for (const count of threads > 1 ? [1, threads] : [1]) {
      const kernels = await createKernelPool({ threads: count, spawn: () => nodeWorkerPort(new Worker(threadFile)) })
      yield await lineOf(kernels, columns, rounds)
      await kernels.close()
    }
  }
}

async function lineOf(kernels: Kernels, columns: number, rounds: number): Promise<string> {
  const [inputs, weight] = [uniform(tokens, columns), uniform(rows, columns)]
  const empty = new Float32Array(columns * columns)
  let gram = empty
  let factor: InverseFactor | null = null
  const factorFrom = async (f32From: number): Promise<void> => {
    factor = await kernels.factorInverse(gram, { order: null, damping, f32From })
  }
  const groupOf = Int32Array.from({ length: columns }, (_, position) => Math.floor(position / 128))
  const grid = { kind: 'fit', bits: 4, isSymmetric: true, clip: 'none' } as const
  const timings = await inTurn(
    [
      async () => {
        gram = await kernels.accumulateGram(empty, inputs)
      },
      () => factorFrom(Infinity),
      () => factorFrom(0),
      () => {
        const { upper } = found(factor)
        return kernels.sweepColumns(weight, { upper, order: null, block: 128, groups: Math.ceil(columns / 128), groupOf, grid })
      },
    ],
    // The first calls, of which each needs what the one before left.
    { rounds, warmUp: 0 },
  )
  const [multiplied = 0, exact = 0, quick = 0, swept = 0] = timings.map(({ clock }) => median(clock))
  const [before, after] = [multiplied + exact + swept, multiplied + quick + swept]
  const { computedIn, f32Residual } = found(factor)
  const cells: readonly (readonly [string, number])[] = [
    [String(columns), 7],
    [String(kernels.threads), 7],
    [multiplied.toFixed(2), 5],
    [exact.toFixed(2), 11],
    [quick.toFixed(2), 5],
    [(exact / quick).toFixed(2), 5],
    [swept.toFixed(2), 6],
    [before.toFixed(2), 10],
    [after.toFixed(2), 5],
    [(before / after).toFixed(2), 5],
    [`${f32Residual?.toExponential(1) ?? ''}${computedIn === 'f64' ? ', refused' : ''}`, 9],
  ]
  return `${cells.map(([text, width]) => text.padStart(width)).join(' ')}\n`
}

function found(factor: InverseFactor | null): Extract<InverseFactor, { kind: 'factor' }> {
  if (factor?.kind !== 'factor') throw new Error('a damped Gram matrix has a factor')
  return factor
}
