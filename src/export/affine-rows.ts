import type { RowRange } from '../checkpoint/checkpoint.ts'
import { type AffineTensor, groupsPerRow, packedRowBytes } from '../kernels/contract/affine.ts'

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
