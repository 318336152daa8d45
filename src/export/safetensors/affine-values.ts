import type { RowRange } from '../../checkpoint/checkpoint.ts'
import { narrowToHalf } from '../../core/float16.ts'
import { type AffineTensor, groupsPerRow, packedRowBytes } from '../../kernels/contract/affine.ts'
import { unpackRow } from '../code-rows.ts'

/**
 * scale * (code - zeroPoint) for some rows, as f32. Exact: a half has 11 bits and the difference at most 9, so their
 * product fits the 24 of an f32.
 */
export function dequantizeRows(tensor: AffineTensor, { rowStart, rowEnd }: RowRange): Float32Array<ArrayBuffer> {
  const { columns, bits, group, codes, scales, zeroPoints } = tensor
  const rowBytes = packedRowBytes(columns, bits)
  const groups = groupsPerRow(columns, group)
  const groupColumns = typeof group === 'number' ? group : columns
  const values = new Float32Array((rowEnd - rowStart) * columns)
  const ofRow = new Uint8Array(columns)
  for (let row = rowStart; row < rowEnd; row++) {
    unpackRow(codes, { at: row * rowBytes, bits, columns }, ofRow)
    for (let column = 0; column < columns; column++) {
      const own = group === 'tensor' ? 0 : row * groups + Math.floor(column / groupColumns)
      values[(row - rowStart) * columns + column] = (scales[own] ?? Number.NaN) * ((ofRow[column] ?? 0) - (zeroPoints[own] ?? 0))
    }
  }
  return values
}

/** Zero point of group `index` of row `out`. */
export function zeroPointOf({ columns, group, zeroPoints }: AffineTensor, out: number, index: number): number {
  return (group === 'tensor' ? zeroPoints[0] : zeroPoints[out * groupsPerRow(columns, group) + index]) ?? 0
}

/** Scales [groups, rows] in half precision, which the stored ones already have: as GPTQ and AWQ order them. */
export function scalesByGroup({ rows, columns, group, scales }: AffineTensor): Uint8Array<ArrayBuffer> {
  const groups = groupsPerRow(columns, group)
  const transposed = new Float32Array(groups * rows)
  for (let index = 0; index < groups; index++) {
    for (let out = 0; out < rows; out++) {
      transposed[index * rows + out] = (group === 'tensor' ? scales[0] : scales[out * groups + index]) ?? 0
    }
  }
  return new Uint8Array(narrowToHalf(transposed).buffer)
}
