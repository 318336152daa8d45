import { groupsPerRow } from '../contract/affine.ts'
import type { MatrixPiece } from '../contract/operations.ts'
import { codeRowBytes, type RealAffineFit, type RealAffineTensor } from '../contract/real-affine.ts'
import { weightNotFinite } from '../faults.ts'
import type { Arena } from './arena.ts'
import type { KernelExports } from './module.ts'

export function quantizeRealAffine(
  wasm: KernelExports,
  arena: Arena,
  { piece, fit }: { piece: MatrixPiece; fit: RealAffineFit },
): RealAffineTensor {
  const { rows, columns } = piece
  const { levels, isSymmetric, group } = fit
  const codeBytes = rows * codeRowBytes(columns, levels)
  const groups = rows * groupsPerRow(columns, group)
  arena.reset()
  const x = arena.put(piece.data)
  const codes = arena.take(codeBytes)
  const scales = arena.take(groups * 4)
  const zeroPoints = isSymmetric ? 0 : arena.take(groups * 4)
  const rowCodes = arena.take(columns)
  const units = arena.take(columns * 4)
  const status = wasm.quantizeRealAffine(
    x,
    rows,
    columns,
    group === 'row' ? columns : group,
    levels - 1,
    isSymmetric ? 1 : 0,
    fit.fit === 'half-quadratic' ? 1 : 0,
    codes,
    scales,
    zeroPoints,
    rowCodes,
    units,
  )
  if (status !== 0) throw weightNotFinite(piece)
  return {
    rows,
    columns,
    levels,
    isSymmetric,
    group,
    codes: arena.bytes(codes, codeBytes),
    scales: arena.floats(scales, groups),
    zeroPoints: isSymmetric ? new Float32Array() : arena.floats(zeroPoints, groups),
  }
}

export function dequantizeRealAffine(wasm: KernelExports, arena: Arena, tensor: RealAffineTensor): Float32Array<ArrayBuffer> {
  const { rows, columns, levels, isSymmetric, group } = tensor
  arena.reset()
  const codes = arena.put(tensor.codes)
  const scales = arena.put(tensor.scales)
  const zeroPoints = arena.put(tensor.zeroPoints)
  const values = arena.take(rows * columns * 4)
  const rowCodes = arena.take(columns)
  const groupColumns = group === 'row' ? columns : group
  const symmetric = isSymmetric ? 1 : 0
  wasm.dequantizeRealAffine(codes, scales, zeroPoints, rows, columns, groupColumns, levels - 1, symmetric, values, rowCodes)
  return arena.floats(values, rows * columns)
}
