import { largestHalf, roundToHalf, smallestHalf } from '../../core/float16.ts'
import { roundHalfEven } from '../../core/rounding.ts'
import { groupsPerRow } from '../contract/affine.ts'
import type { MatrixPiece } from '../contract/operations.ts'
import { codeRowBytes, type RealAffineFit, type RealAffineTensor } from '../contract/real-affine.ts'
import { weightNotFinite } from '../faults.ts'
import { packCodes, unpackCodes } from './bit-stream.ts'
import { sumInFour } from './four-sums.ts'
import { fitHalfQuadratic } from './half-quadratic.ts'
import { packTrits, unpackTrits } from './trits.ts'

const { fround } = Math

interface GroupGrid {
  readonly scale: number
  readonly zeroPoint: number
}

/** The half nearest to a scale, never 0 or infinite. */
function heldScale(scale: number): number {
  return Math.min(largestHalf, Math.max(smallestHalf, roundToHalf(scale)))
}

function heldZeroPoint(zeroPoint: number): number {
  return roundToHalf(Math.min(largestHalf, Math.max(-largestHalf, zeroPoint)))
}

/** Grid of a group; the rules are at `RealAffineFit`. */
function gridOf(values: Float32Array, { levels, isSymmetric, fit }: RealAffineFit): GroupGrid {
  let min = Infinity
  let max = -Infinity
  for (const value of values) {
    min = Math.min(min, value)
    max = Math.max(max, value)
  }
  const largest = Math.max(Math.abs(min), Math.abs(max))
  const least = isSymmetric ? 0 : fround(largest / 2048)
  if (fit === 'half-quadratic') {
    const scale = heldScale(Math.max(least, fround(fround(max - min) / (levels - 1))))
    const shift = fround(max - min) === Infinity ? 0 : fitHalfQuadratic(values, { min, scale, levels })
    return { scale, zeroPoint: heldZeroPoint(fround(shift - fround(min / scale))) }
  }
  const center = isSymmetric ? 0 : fround(sumInFour(values, (value) => value) / values.length)
  const mean = fround(sumInFour(values, (value) => Math.abs(fround(value - center))) / values.length)
  const scale = heldScale(Math.max(least, levels === 2 ? fround(mean + mean) : mean))
  const middle = (levels - 1) / 2
  return { scale, zeroPoint: isSymmetric ? middle : heldZeroPoint(fround(middle - fround(center / scale))) }
}

export function quantizeRealAffine(piece: MatrixPiece, fit: RealAffineFit): RealAffineTensor {
  const { rows, columns, data } = piece
  const { levels, isSymmetric, group } = fit
  if (!data.every(Number.isFinite)) throw weightNotFinite(piece)
  const groups = groupsPerRow(columns, group)
  const groupColumns = group === 'row' ? columns : group
  const rowBytes = codeRowBytes(columns, levels)
  const codes = new Uint8Array(rows * rowBytes)
  const scales = new Float32Array(rows * groups)
  const zeroPoints = new Float32Array(isSymmetric ? 0 : rows * groups)
  const rowCodes = new Uint8Array(columns)
  for (let row = 0; row < rows; row++) {
    for (let index = 0; index < groups; index++) {
      const start = index * groupColumns
      const end = Math.min(start + groupColumns, columns)
      const values = data.subarray(row * columns + start, row * columns + end)
      const { scale, zeroPoint } = gridOf(values, fit)
      scales[row * groups + index] = scale
      if (!isSymmetric) zeroPoints[row * groups + index] = zeroPoint
      for (const [i, value] of values.entries()) {
        const place = Math.min(levels - 1, Math.max(0, fround(fround(value / scale) + zeroPoint)))
        rowCodes[start + i] = roundHalfEven(place)
      }
    }
    const target = codes.subarray(row * rowBytes, (row + 1) * rowBytes)
    if (levels === 3) packTrits(rowCodes, target)
    else packCodes(rowCodes, Math.log2(levels), target)
  }
  return { rows, columns, levels, isSymmetric, group, codes, scales, zeroPoints }
}

export function dequantizeRealAffine(tensor: RealAffineTensor): Float32Array<ArrayBuffer> {
  const { rows, columns, levels, isSymmetric, group, codes, scales, zeroPoints } = tensor
  const groups = groupsPerRow(columns, group)
  const groupColumns = group === 'row' ? columns : group
  const rowBytes = codeRowBytes(columns, levels)
  const rowCodes = new Uint8Array(columns)
  const values = new Float32Array(rows * columns)
  for (let row = 0; row < rows; row++) {
    const source = codes.subarray(row * rowBytes, (row + 1) * rowBytes)
    if (levels === 3) unpackTrits(source, rowCodes)
    else unpackCodes(source, Math.log2(levels), rowCodes)
    for (let column = 0; column < columns; column++) {
      const at = row * groups + Math.floor(column / groupColumns)
      const zeroPoint = isSymmetric ? (levels - 1) / 2 : (zeroPoints[at] ?? 0)
      values[row * columns + column] = (scales[at] ?? 0) * fround((rowCodes[column] ?? 0) - zeroPoint)
    }
  }
  return values
}
