import { type AffineFit, type AffineTensor, groupsPerRow, packedRowBytes } from '../contract/affine.ts'
import type { MatrixPiece, MeasuredAffinePiece, StoredPiece, ValueRange } from '../contract/operations.ts'
import { weightNotFinite } from '../faults.ts'
import { addSums, noSums } from '../weight-sums.ts'
import type { Arena } from './arena.ts'
import type { KernelExports } from './module.ts'
import { StoredStrips } from './strips.ts'
import { sumsOf } from './weights.ts'

export function findRange(wasm: KernelExports, arena: Arena, piece: MatrixPiece): ValueRange {
  arena.reset()
  const x = arena.put(piece.data)
  const result = arena.take(8)
  if (wasm.findRange(x, piece.rows * piece.columns, result) !== 0) throw weightNotFinite(piece)
  const [min = 0, max = 0] = arena.floats(result, 2)
  return { min, max }
}

interface QuantizeCall {
  readonly piece: MatrixPiece
  readonly params: AffineFit
  readonly range: ValueRange | null
}

export function quantizeAffine(wasm: KernelExports, arena: Arena, { piece, params, range }: QuantizeCall): AffineTensor {
  const { rows, columns } = piece
  const { bits, isSymmetric, group, clip = 'none' } = params
  const isWhole = group === 'tensor'
  const whole = isWhole ? (range ?? findRange(wasm, arena, piece)) : { min: 0, max: 0 }
  const codeBytes = rows * packedRowBytes(columns, bits)
  const count = isWhole ? 1 : rows * groupsPerRow(columns, group)
  arena.reset()
  const x = arena.put(piece.data)
  const codes = arena.take(codeBytes)
  const scales = arena.take(count * 4)
  const zeroPoints = arena.take(count)
  const rowCodes = arena.take(columns)
  const isClipped = clip === 'mse'
  const units = isClipped ? arena.take(columns * 4) : 0
  const status = wasm.quantizeAffine(
    x,
    rows,
    columns,
    typeof group === 'number' ? group : columns,
    bits,
    isSymmetric ? 1 : 0,
    isWhole ? 1 : 0,
    whole.min,
    whole.max,
    isClipped ? 1 : 0,
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
    bits,
    isSymmetric,
    group,
    codes: arena.view(codes, codeBytes),
    scales: arena.floatView(scales, count),
    zeroPoints: arena.view(zeroPoints, count),
  }
}

/** Widens, quantizes, dequantizes and compares strip by strip: no value leaves the module but codes and grids. */
export function quantizeStoredAffine(
  wasm: KernelExports,
  arena: Arena,
  { piece, params }: { piece: StoredPiece; params: AffineFit },
): MeasuredAffinePiece {
  const { rows, columns } = piece
  const { bits, isSymmetric, group, clip = 'none' } = params
  const groups = groupsPerRow(columns, group)
  const rowBytes = packedRowBytes(columns, bits)
  arena.reset()
  const strips = new StoredStrips(wasm, arena, piece)
  const { weight } = strips
  const codes = arena.take(rows * rowBytes)
  const scales = arena.take(rows * groups * 4)
  const zeroPoints = arena.take(rows * groups)
  const values = arena.take(strips.rows * columns * 4)
  const rowCodes = arena.take(columns)
  const isClipped = clip === 'mse'
  const units = isClipped ? arena.take(columns * 4) : 0
  const columnsPerGroup = typeof group === 'number' ? group : columns
  let sums = noSums
  for (let start = 0; start < rows; start += strips.rows) {
    const count = strips.load(start)
    const to = [codes + start * rowBytes, scales + start * groups * 4, zeroPoints + start * groups] as const
    const flags = [isSymmetric ? 1 : 0, 0, 0, 0, isClipped ? 1 : 0] as const
    const status = wasm.quantizeAffine(weight, count, columns, columnsPerGroup, bits, ...flags, ...to, rowCodes, units)
    if (status !== 0) throw weightNotFinite(strips.loaded(start, count))
    wasm.dequantizeAffine(...to, count, columns, columnsPerGroup, bits, 0, values, rowCodes)
    sums = addSums(sums, sumsOf(wasm, arena, { weight, values, count: count * columns }))
  }
  return {
    codes: arena.view(codes, rows * rowBytes),
    scales: arena.floatView(scales, rows * groups),
    zeroPoints: arena.view(zeroPoints, rows * groups),
    sums,
  }
}

export function dequantizeAffine(wasm: KernelExports, arena: Arena, tensor: AffineTensor): Float32Array<ArrayBuffer> {
  const { rows, columns, bits, group } = tensor
  arena.reset()
  const codes = arena.put(tensor.codes)
  const scales = arena.put(tensor.scales)
  const zeroPoints = arena.put(tensor.zeroPoints)
  const values = arena.take(rows * columns * 4)
  const rowCodes = arena.take(columns)
  const groupColumns = typeof group === 'number' ? group : columns
  const isWhole = group === 'tensor' ? 1 : 0
  wasm.dequantizeAffine(codes, scales, zeroPoints, rows, columns, groupColumns, bits, isWhole, values, rowCodes)
  return arena.floats(values, rows * columns)
}
