import { bytesPerElement } from '../core/dtype.ts'
import { throwIfAborted } from '../core/errors.ts'
import { type GgmlType, ggmlBytes } from './contract/ggml.ts'
import type { Matrix, MeasuredBlocks, StoredMatrix, WeightSums } from './contract/kernels.ts'
import type { KernelExecutor } from './executor.ts'
import { requireBlocks, requireLength } from './faults.ts'
import { pieceOf, rowPieces } from './pieces.ts'
import { addSums, noSums } from './weight-sums.ts'

/** Blocks of a checkpoint's own values and their sums; pieces are those of the f32 matrix, so the sums are as well. */
export async function quantizeStored(
  executor: KernelExecutor,
  { source, type }: { source: StoredMatrix; type: GgmlType },
  signal: AbortSignal | undefined,
): Promise<MeasuredBlocks> {
  throwIfAborted(signal)
  requireBlocks(source, type)
  const { rows, columns, dtype, bytes } = source
  const sourceBytes = columns * bytesPerElement[dtype]
  requireLength('A stored matrix', bytes.length, rows * sourceBytes)
  const rowBytes = ggmlBytes(type, 1, columns)
  const blocks = new Uint8Array(rows * rowBytes)
  const parts: WeightSums[] = []
  await executor.each(
    'quantizeStored',
    rowPieces(rows, columns * 4),
    {
      argumentsOf: ({ start, end }, cut) => {
        const piece = cut(bytes, start * sourceBytes, end * sourceBytes)
        return [{ bytes: piece, dtype, rows: end - start, columns, firstRow: start }, type]
      },
      take: (part, { start }, index) => {
        blocks.set(part.blocks, start * rowBytes)
        parts[index] = part.sums
      },
    },
    signal,
  )
  return { blocks, sums: parts.reduce(addSums, noSums) }
}

export async function compareGgml(
  executor: KernelExecutor,
  { weight, blocks, type }: { weight: Matrix; blocks: Uint8Array; type: GgmlType },
  signal: AbortSignal | undefined,
): Promise<WeightSums> {
  throwIfAborted(signal)
  requireBlocks(weight, type)
  const { rows, columns } = weight
  const rowBytes = ggmlBytes(type, 1, columns)
  requireLength('A matrix', weight.data.length, rows * columns)
  requireLength(`A ${type} tensor`, blocks.length, rows * rowBytes)
  const parts: WeightSums[] = []
  await executor.each(
    'compareGgml',
    rowPieces(rows, columns * 4),
    {
      argumentsOf: (piece, cut) => [pieceOf(weight, piece, cut), cut(blocks, piece.start * rowBytes, piece.end * rowBytes), type],
      take: (part, _, index) => {
        parts[index] = part
      },
    },
    signal,
  )
  return parts.reduce(addSums, noSums)
}
