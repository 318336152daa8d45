import { throwIfAborted } from '../core/errors.ts'
import type { Matrix } from './contract/kernels.ts'
import { widestGroup } from './contract/operations.ts'
import type { KernelExecutor } from './executor.ts'
import { contractBroken, requireLength } from './faults.ts'
import { rowPieces } from './pieces.ts'

export async function groupLosses(
  executor: KernelExecutor,
  { delta, gram, span }: { readonly delta: Matrix; readonly gram: Float32Array; readonly span: number },
  signal: AbortSignal | undefined,
): Promise<Float64Array<ArrayBuffer>> {
  throwIfAborted(signal)
  const { data, rows, columns } = delta
  if (!Number.isInteger(span) || span < 1 || span > widestGroup) throw contractBroken(`Groups of ${span} columns have no losses here.`)
  requireLength('A Gram matrix', gram.length, columns * columns)
  requireLength('A matrix', data.length, rows * columns)
  const blocks = executor.share(diagonalBlocks(gram, columns, span))
  const groups = Math.ceil(columns / span)
  const losses = new Float64Array(rows * groups)
  await executor.each(
    'groupLosses',
    rowPieces(rows, columns * 4),
    {
      argumentsOf: ({ start, end }, cut) => [
        { data: cut(data, start * columns, end * columns), rows: end - start, columns },
        cut(blocks, 0, blocks.length),
        span,
      ],
      take: (part, { start }) => losses.set(part, start * groups),
    },
    signal,
  )
  return losses
}

/** Rows and columns of each group, mirrored from the upper triangle. */
function diagonalBlocks(gram: Float32Array, columns: number, span: number): Float32Array<ArrayBuffer> {
  const blocks = new Float32Array(columns * span)
  for (let start = 0; start < columns; start += span) {
    const width = Math.min(span, columns - start)
    for (let i = 0; i < width; i++) {
      for (let j = i; j < width; j++) {
        const value = gram[(start + i) * columns + start + j] ?? 0
        blocks[start * span + i * width + j] = value
        blocks[start * span + j * width + i] = value
      }
    }
  }
  return blocks
}
