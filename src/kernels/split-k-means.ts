import { throwIfAborted } from '../core/errors.ts'
import { groupsPerRow, packedRowBytes } from './contract/affine.ts'
import type { KMeansParams, KMeansTensor } from './contract/k-means.ts'
import type { Matrix } from './contract/kernels.ts'
import type { KernelExecutor } from './executor.ts'
import { requireGroup, requireImportance, requireLength, requireTableBits } from './faults.ts'
import { pieceOf, rowPieces } from './pieces.ts'

export async function quantizeKMeans(
  executor: KernelExecutor,
  { input, params, importance }: { input: Matrix; params: KMeansParams; importance: Float32Array | null },
  signal: AbortSignal | undefined,
): Promise<KMeansTensor> {
  throwIfAborted(signal)
  requireTableBits(params.bits)
  requireGroup(params.group)
  requireImportance(input, importance)
  requireLength('A matrix', input.data.length, input.rows * input.columns)
  const { rows, columns } = input
  const { bits, group } = params
  const rowBytes = packedRowBytes(columns, bits)
  const rowTables = groupsPerRow(columns, group) * 2 ** bits
  const codes = new Uint8Array(rows * rowBytes)
  const centroids = new Float32Array(rows * rowTables)
  await executor.each(
    'quantizeKMeans',
    rowPieces(rows, columns * 4),
    {
      argumentsOf: (piece, cut) => [pieceOf(input, piece, cut), params, importance && cut(importance, 0, importance.length)],
      take: (part, piece) => {
        codes.set(part.codes, piece.start * rowBytes)
        centroids.set(part.centroids, piece.start * rowTables)
      },
    },
    signal,
  )
  return { rows, columns, bits, group, codes, centroids }
}

export async function dequantizeKMeans(
  executor: KernelExecutor,
  tensor: KMeansTensor,
  signal: AbortSignal | undefined,
): Promise<Float32Array<ArrayBuffer>> {
  throwIfAborted(signal)
  const { rows, columns, bits, group } = tensor
  const rowBytes = packedRowBytes(columns, bits)
  const rowTables = groupsPerRow(columns, group) * 2 ** bits
  requireLength('A code stream', tensor.codes.length, rows * rowBytes)
  requireLength('A list of centroids', tensor.centroids.length, rows * rowTables)
  const values = new Float32Array(rows * columns)
  await executor.each(
    'dequantizeKMeans',
    rowPieces(rows, columns * 4),
    {
      argumentsOf: ({ start, end }, cut) => [
        {
          ...tensor,
          rows: end - start,
          codes: cut(tensor.codes, start * rowBytes, end * rowBytes),
          centroids: cut(tensor.centroids, start * rowTables, end * rowTables),
        },
      ],
      take: (part, { start }) => values.set(part, start * columns),
    },
    signal,
  )
  return values
}
