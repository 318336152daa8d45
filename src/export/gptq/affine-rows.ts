/* eslint-disable no-restricted-syntax -- bits within bytes of codes, never offsets of files */
import type { RowRange } from '../../checkpoint/checkpoint.ts'
import { type AffineTensor, groupsPerRow, packedRowBytes } from '../../kernels/contract/affine.ts'

/** Rows [rowStart, rowEnd) as a tensor of their own; rows do not depend on each other. Shares memory where it can. */
export function sliceRows(tensor: AffineTensor, { rowStart, rowEnd }: RowRange): AffineTensor {
  const { columns, bits, group, codes, scales, zeroPoints } = tensor
  const rowBytes = packedRowBytes(columns, bits)
  const groups = groupsPerRow(columns, group)
  const part = { ...tensor, rows: rowEnd - rowStart, codes: codes.slice(rowStart * rowBytes, rowEnd * rowBytes) }
  if (group === 'tensor') return part
  return {
    ...part,
    scales: scales.slice(rowStart * groups, rowEnd * groups),
    zeroPoints: zeroPoints.slice(rowStart * groups, rowEnd * groups),
  }
}

/**
 * scale * (code - zeroPoint) for some rows, as f32. Exact: a half has 11 bits and the difference at most 9, so their
 * product fits the 24 of an f32.
 */
export function dequantizeRows(tensor: AffineTensor, { rowStart, rowEnd }: RowRange): Float32Array<ArrayBuffer> {
  const { columns, bits, group, codes, scales, zeroPoints } = tensor
  const rowBytes = packedRowBytes(columns, bits)
  const groups = groupsPerRow(columns, group)
  const groupColumns = typeof group === 'number' ? group : columns
  const mask = (1 << bits) - 1
  const values = new Float32Array((rowEnd - rowStart) * columns)
  for (let row = rowStart; row < rowEnd; row++) {
    for (let column = 0; column < columns; column++) {
      const own = group === 'tensor' ? 0 : row * groups + Math.floor(column / groupColumns)
      const bit = column * bits
      const at = row * rowBytes + Math.floor(bit / 8)
      const code = (((codes[at] ?? 0) | ((codes[at + 1] ?? 0) << 8)) >>> (bit % 8)) & mask
      values[(row - rowStart) * columns + column] = (scales[own] ?? Number.NaN) * (code - (zeroPoints[own] ?? 0))
    }
  }
  return values
}
