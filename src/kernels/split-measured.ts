import { bytesPerElement } from '../core/dtype.ts'
import { throwIfAborted } from '../core/errors.ts'
import type { AffineFit } from './contract/affine.ts'
import { type GgmlType, ggmlBytes } from './contract/ggml.ts'
import type { Matrix, MeasuredAffine, MeasuredBlocks, ResultMemory, StoredMatrix, WeightSums } from './contract/kernels.ts'
import type { StoredPiece } from './contract/operations.ts'
import type { Cut, KernelExecutor } from './executor.ts'
import { requireBits, requireBlocks, requireClip, requireGroup, requireLength, requireRowGroups } from './faults.ts'
import { pieceOf, type RowRange, rowPieces } from './pieces.ts'
import { affineArrays } from './split-affine.ts'
import { addSums, noSums } from './weight-sums.ts'

/** Blocks of a checkpoint's own values and their sums; pieces are those of the f32 matrix, so the sums are as well. */
export async function quantizeStored(
  executor: KernelExecutor,
  { source, type, memory }: { source: StoredMatrix; type: GgmlType; memory: ResultMemory },
  signal: AbortSignal | undefined,
): Promise<MeasuredBlocks> {
  throwIfAborted(signal)
  requireBlocks(source, type)
  const rowsOf = storedPieces(source)
  const rowBytes = ggmlBytes(type, 1, source.columns)
  const blocks = memory.take(source.rows * rowBytes)
  const parts: WeightSums[] = []
  await executor.each(
    'quantizeStored',
    rowPieces(source.rows, source.columns * 4),
    {
      argumentsOf: (piece, cut) => [rowsOf(piece, cut), type],
      targetsOf: ({ start, end }) => ({ blocks: blocks.subarray(start * rowBytes, end * rowBytes) }),
      take: (part, _, index) => {
        parts[index] = part.sums
      },
    },
    signal,
  )
  return { blocks, sums: parts.reduce(addSums, noSums) }
}

/** The same on the affine grid. */
export async function quantizeStoredAffine(
  executor: KernelExecutor,
  { source, params, memory }: { source: StoredMatrix; params: AffineFit; memory: ResultMemory },
  signal: AbortSignal | undefined,
): Promise<MeasuredAffine> {
  throwIfAborted(signal)
  requireBits(params.bits)
  requireGroup(params.group)
  requireRowGroups(params.group)
  requireClip(params)
  const { rows, columns } = source
  const { bits, isSymmetric, group } = params
  const rowsOf = storedPieces(source)
  const { arrays, targetsOf } = affineArrays(source, params, memory)
  const parts: WeightSums[] = []
  await executor.each(
    'quantizeStoredAffine',
    rowPieces(rows, columns * 4),
    {
      argumentsOf: (piece, cut) => [rowsOf(piece, cut), params],
      targetsOf,
      take: (part, _, index) => {
        parts[index] = part.sums
      },
    },
    signal,
  )
  return { affine: { rows, columns, bits, isSymmetric, group, ...arrays }, sums: parts.reduce(addSums, noSums) }
}

/** Cuts rows out of a stored matrix, whose length is checked first. */
function storedPieces({ bytes, dtype, rows, columns }: StoredMatrix): (piece: RowRange, cut: Cut) => StoredPiece {
  const rowBytes = columns * bytesPerElement[dtype]
  requireLength('A stored matrix', bytes.length, rows * rowBytes)
  return ({ start, end }, cut) => ({
    bytes: cut(bytes, start * rowBytes, end * rowBytes),
    dtype,
    rows: end - start,
    columns,
    firstRow: start,
  })
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
