import { throwIfAborted } from '../core/errors.ts'
import { type AffineFit, type AffineParams, type AffineTensor, groupsPerRow, packedRowBytes } from './contract/affine.ts'
import type { Matrix, MatrixShape, ResultMemory } from './contract/kernels.ts'
import type { KernelExecutor } from './executor.ts'
import { requireBits, requireClip, requireGroup, requireLength } from './faults.ts'
import { pieceOf, type RowRange, rowPieces } from './pieces.ts'

/** The arrays of an affine tensor, and what of them belongs to rows. One grid of the whole matrix comes with every piece, the same. */
export function affineArrays(
  { rows, columns }: MatrixShape,
  { bits, group }: AffineParams,
  memory: ResultMemory,
): { readonly arrays: AffineArrays; readonly targetsOf: (rows: RowRange) => AffineArrays } {
  const rowBytes = packedRowBytes(columns, bits)
  const groups = groupsPerRow(columns, group)
  const count = group === 'tensor' ? 1 : rows * groups
  const scalesAt = multipleOf8(rows * rowBytes)
  const zeroPointsAt = scalesAt + multipleOf8(4 * count)
  const room = memory.take(zeroPointsAt + count)
  const codes = room.subarray(0, rows * rowBytes)
  const scales = new Float32Array(room.buffer, room.byteOffset + scalesAt, count)
  const zeroPoints = room.subarray(zeroPointsAt)
  return {
    arrays: { codes, scales, zeroPoints },
    targetsOf({ start, end }) {
      const [first, last] = group === 'tensor' ? [0, 1] : [start * groups, end * groups]
      return {
        codes: codes.subarray(start * rowBytes, end * rowBytes),
        scales: scales.subarray(first, last),
        zeroPoints: zeroPoints.subarray(first, last),
      }
    },
  }
}

/** Where an array may begin that V8 is to copy in words. */
function multipleOf8(bytes: number): number {
  return Math.ceil(bytes / 8) * 8
}

type AffineArrays = Pick<AffineTensor, 'codes' | 'scales' | 'zeroPoints'>

export async function quantizeAffine(
  executor: KernelExecutor,
  { input, params, memory }: { input: Matrix; params: AffineFit; memory: ResultMemory },
  signal: AbortSignal | undefined,
): Promise<AffineTensor> {
  throwIfAborted(signal)
  requireBits(params.bits)
  requireGroup(params.group)
  requireClip(params)
  requireLength('A matrix', input.data.length, input.rows * input.columns)
  const { rows, columns } = input
  const { bits, isSymmetric, group } = params
  const pieces = rowPieces(rows, columns * 4)
  const isWhole = group === 'tensor'
  let range: { min: number; max: number } | null = null
  if (isWhole) {
    const found = { min: 0, max: 0 }
    await executor.each(
      'findRange',
      pieces,
      {
        argumentsOf: (piece, cut) => [pieceOf(input, piece, cut)],
        take: (part) => {
          found.min = Math.min(found.min, part.min)
          found.max = Math.max(found.max, part.max)
        },
      },
      signal,
    )
    range = found
  }
  const { arrays, targetsOf } = affineArrays(input, params, memory)
  await executor.each(
    'quantizeAffine',
    pieces,
    { argumentsOf: (piece, cut) => [pieceOf(input, piece, cut), params, range], targetsOf },
    signal,
  )
  return { rows, columns, bits, isSymmetric, group, ...arrays }
}

export async function dequantizeAffine(
  executor: KernelExecutor,
  tensor: AffineTensor,
  signal: AbortSignal | undefined,
): Promise<Float32Array<ArrayBuffer>> {
  throwIfAborted(signal)
  const { rows, columns, bits, group } = tensor
  requireBits(bits)
  requireGroup(group)
  const rowBytes = packedRowBytes(columns, bits)
  const groups = groupsPerRow(columns, group)
  const scaleCount = group === 'tensor' ? 1 : rows * groups
  requireLength('A code stream', tensor.codes.length, rows * rowBytes)
  requireLength('A list of scales', tensor.scales.length, scaleCount)
  requireLength('A list of zero points', tensor.zeroPoints.length, scaleCount)
  const values = new Float32Array(rows * columns)
  await executor.each(
    'dequantizeAffine',
    rowPieces(rows, columns * 4),
    {
      argumentsOf({ start, end }, cut) {
        const [firstScale, lastScale] = group === 'tensor' ? [0, 1] : [start * groups, end * groups]
        return [
          {
            ...tensor,
            rows: end - start,
            codes: cut(tensor.codes, start * rowBytes, end * rowBytes),
            scales: cut(tensor.scales, firstScale, lastScale),
            zeroPoints: cut(tensor.zeroPoints, firstScale, lastScale),
          },
        ]
      },
      take: (part, { start }) => values.set(part, start * columns),
    },
    signal,
  )
  return values
}
