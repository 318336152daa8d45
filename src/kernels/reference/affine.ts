import { largestHalf, roundToHalf, smallestHalf, smallestNormalHalf } from '../../core/float16.ts'
import { roundHalfEven } from '../../core/rounding.ts'
import { type AffineFit, type AffineParams, type AffineTensor, groupsPerRow, packedRowBytes } from '../contract/affine.ts'
import type { MatrixPiece, ValueRange } from '../contract/operations.ts'
import { weightNotFinite } from '../faults.ts'
import { packCodes, unpackCodes } from './bit-stream.ts'
import { clipOf } from './clip.ts'

/** Least and largest value of `data[start, end)`, the range always including 0. */
function rangeOf(piece: MatrixPiece, start: number, end: number): ValueRange {
  let min = 0
  let max = 0
  for (let i = start; i < end; i++) {
    const value = piece.data[i] ?? 0
    if (!Number.isFinite(value)) throw weightNotFinite(piece)
    if (value < min) min = value
    if (value > max) max = value
  }
  return { min, max }
}

export function findRange(piece: MatrixPiece): ValueRange {
  return rangeOf(piece, 0, piece.rows * piece.columns)
}

interface GroupGrid {
  /** What weights are divided by. */
  readonly step: number
  /** The step as it is stored: a half. */
  readonly scale: number
  readonly zeroPoint: number
}

/** Grid of a group; the rule is at `AffineParams`. Every step in f32. */
function gridOf(range: ValueRange, { bits, isSymmetric }: AffineParams): GroupGrid {
  const levels = 2 ** bits - 1
  const largest = Math.max(-range.min, range.max)
  const width = isSymmetric ? Math.fround(largest + largest) : Math.fround(range.max - range.min)
  const exact = Math.fround(width / levels)
  // A half holds neither 0 < scale < 2^-24 nor scale > 65504: the nearest one it does hold is taken.
  const scale = width === 0 ? 1 : Math.min(largestHalf, Math.max(smallestHalf, roundToHalf(exact)))
  const isHeld = exact >= smallestNormalHalf && exact <= largestHalf
  const step = !isHeld ? scale : isSymmetric ? settleTie(exact, largest, levels) : exact
  const zeroPoint = isSymmetric ? 2 ** (bits - 1) : Math.min(levels, roundHalfEven(Math.fround(-range.min / step)))
  return { step, scale, zeroPoint }
}

/** The f32 step nearest to `exact` by which the largest weight, at levels / 2 steps, rounds as it does in f64. */
function settleTie(exact: number, largest: number, levels: number): number {
  const wanted = roundHalfEven(largest / ((largest + largest) / levels))
  for (let step = exact; ; ) {
    const rounded = roundHalfEven(Math.fround(largest / step))
    if (rounded === wanted) return step
    step = neighbour(step, rounded > wanted ? 1 : -1)
  }
}

/** The next f32 above (`by` 1) or below (-1) a positive one. */
function neighbour(value: number, by: 1 | -1): number {
  const view = new DataView(new ArrayBuffer(4))
  view.setFloat32(0, value)
  view.setUint32(0, view.getUint32(0) + by)
  return view.getFloat32(0)
}

function clipped(range: ValueRange, values: Float32Array, params: AffineFit): ValueRange {
  if (params.clip !== 'mse') return range
  const clip = clipOf(values, range, params)
  return { min: Math.fround(clip * range.min), max: Math.fround(clip * range.max) }
}

export function quantizeAffine(piece: MatrixPiece, params: AffineFit, range: ValueRange | null): AffineTensor {
  const { rows, columns, data } = piece
  const levels = 2 ** params.bits - 1
  const groups = groupsPerRow(columns, params.group)
  const groupColumns = typeof params.group === 'number' ? params.group : columns
  const rowBytes = packedRowBytes(columns, params.bits)
  const isWhole = params.group === 'tensor'
  const codes = new Uint8Array(rows * rowBytes)
  const scales = new Float32Array(isWhole ? 1 : rows * groups)
  const zeroPoints = new Uint8Array(scales.length)
  const rowCodes = new Uint8Array(columns)
  const wholeGrid = isWhole ? gridOf(range ?? findRange(piece), params) : null
  if (wholeGrid !== null) {
    scales[0] = wholeGrid.scale
    zeroPoints[0] = wholeGrid.zeroPoint
  }
  for (let row = 0; row < rows; row++) {
    for (let group = 0; group < groups; group++) {
      const start = row * columns + group * groupColumns
      const end = Math.min(start + groupColumns, (row + 1) * columns)
      const groupRange = clipped(rangeOf(piece, start, end), data.subarray(start, end), params)
      const { step, scale, zeroPoint } = wholeGrid ?? gridOf(groupRange, params)
      if (!isWhole) {
        scales[row * groups + group] = scale
        zeroPoints[row * groups + group] = zeroPoint
      }
      for (let i = start; i < end; i++) {
        const code = roundHalfEven(Math.fround((data[i] ?? 0) / step)) + zeroPoint
        rowCodes[i - row * columns] = Math.min(levels, Math.max(0, code))
      }
    }
    packCodes(rowCodes, params.bits, codes.subarray(row * rowBytes, (row + 1) * rowBytes))
  }
  return { rows, columns, bits: params.bits, isSymmetric: params.isSymmetric, group: params.group, codes, scales, zeroPoints }
}

export function dequantizeAffine(tensor: AffineTensor): Float32Array<ArrayBuffer> {
  const { rows, columns, bits, group, codes, scales, zeroPoints } = tensor
  const groups = groupsPerRow(columns, group)
  const groupColumns = typeof group === 'number' ? group : columns
  const rowBytes = packedRowBytes(columns, bits)
  const rowCodes = new Uint8Array(columns)
  const values = new Float32Array(rows * columns)
  for (let row = 0; row < rows; row++) {
    unpackCodes(codes.subarray(row * rowBytes, (row + 1) * rowBytes), bits, rowCodes)
    for (let column = 0; column < columns; column++) {
      const at = group === 'tensor' ? 0 : row * groups + Math.floor(column / groupColumns)
      values[row * columns + column] = (scales[at] ?? 0) * ((rowCodes[column] ?? 0) - (zeroPoints[at] ?? 0))
    }
  }
  return values
}
