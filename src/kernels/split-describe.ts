import { throwIfAborted } from '../core/errors.ts'
import type { Matrix, WeightDescription } from './contract/kernels.ts'
import type { WeightSummary } from './contract/operations.ts'
import type { KernelExecutor } from './executor.ts'
import { requireLength } from './faults.ts'
import { pieceOf, rowPieces } from './pieces.ts'

/** Two passes: the second needs the largest |w| of the first for its bins. */
export async function describeWeights(
  executor: KernelExecutor,
  { input, bins }: { input: Matrix; bins: number },
  signal: AbortSignal | undefined,
): Promise<WeightDescription> {
  throwIfAborted(signal)
  const { rows, columns } = input
  requireLength('A matrix', input.data.length, rows * columns)
  const pieces = rowPieces(rows, columns * 4)
  const parts: WeightSummary[] = []
  await executor.each(
    'summarizeWeights',
    pieces,
    {
      argumentsOf: (piece, cut) => [pieceOf(input, piece, cut)],
      take: (part, _, index) => {
        parts[index] = part
      },
    },
    signal,
  )

  let min = Infinity
  let max = -Infinity
  let sum = 0
  let squares = 0
  let finiteCount = 0
  let zeroCount = 0
  let firstNonFinite = -1
  const columnLargest = new Float32Array(columns)
  for (const [index, part] of parts.entries()) {
    if (part.firstNonFinite >= 0 && firstNonFinite < 0) firstNonFinite = (pieces[index]?.start ?? 0) * columns + part.firstNonFinite
    if (part.finiteCount === 0) continue
    min = Math.min(min, part.min)
    max = Math.max(max, part.max)
    sum += part.sum
    squares += part.squares
    finiteCount += part.finiteCount
    zeroCount += part.zeroCount
    for (let column = 0; column < columns; column++) {
      columnLargest[column] = Math.max(columnLargest[column] ?? 0, part.columnLargest[column] ?? 0)
    }
  }
  if (finiteCount === 0) min = max = 0
  const limit = Math.max(Math.abs(min), Math.abs(max))
  const histogram = new Uint32Array(bins)
  await executor.each(
    'countWeights',
    pieces,
    {
      argumentsOf: ({ start, end }, cut) => [cut(input.data, start * columns, end * columns), limit, bins],
      take: (part) => {
        for (let bin = 0; bin < bins; bin++) histogram[bin] = (histogram[bin] ?? 0) + (part[bin] ?? 0)
      },
    },
    signal,
  )
  const mean = finiteCount === 0 ? 0 : sum / finiteCount
  const variance = finiteCount === 0 ? 0 : Math.max(0, squares / finiteCount - mean * mean)
  return {
    min,
    max,
    mean,
    standardDeviation: Math.sqrt(variance),
    zeroCount,
    nonFiniteCount: rows * columns - finiteCount,
    firstNonFinite,
    limit,
    histogram,
    columnLargest,
  }
}
