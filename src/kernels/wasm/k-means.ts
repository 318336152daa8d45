import { groupsPerRow, packedRowBytes } from '../contract/affine.ts'
import type { KMeansParams, KMeansTensor } from '../contract/k-means.ts'
import type { MatrixPiece } from '../contract/operations.ts'
import { weightNotFinite } from '../faults.ts'
import type { Arena } from './arena.ts'
import type { KernelExports } from './module.ts'

export function quantizeKMeans(
  wasm: KernelExports,
  arena: Arena,
  { piece, params, importance }: { piece: MatrixPiece; params: KMeansParams; importance: Float32Array | null },
): KMeansTensor {
  const { rows, columns } = piece
  const { bits, group } = params
  const codeBytes = rows * packedRowBytes(columns, bits)
  const tableValues = rows * groupsPerRow(columns, group) * 2 ** bits
  const groupColumns = group === 'row' ? columns : group
  arena.reset()
  const x = arena.put(piece.data)
  // The module takes 0 as "none"; no array lies there.
  const importanceAt = importance === null ? 0 : arena.put(importance)
  const codes = arena.take(codeBytes)
  const tables = arena.take(tableValues * 4)
  const rowCodes = arena.take(columns)
  const scratch = arena.take(40 * Math.min(groupColumns, columns) + 16)
  if (wasm.quantizeKMeans(x, rows, columns, groupColumns, bits, importanceAt, codes, tables, rowCodes, scratch) !== 0) {
    throw weightNotFinite(piece)
  }
  return { rows, columns, bits, group, codes: arena.bytes(codes, codeBytes), centroids: arena.floats(tables, tableValues) }
}

export function dequantizeKMeans(wasm: KernelExports, arena: Arena, tensor: KMeansTensor): Float32Array<ArrayBuffer> {
  const { rows, columns, bits, group } = tensor
  arena.reset()
  const codes = arena.put(tensor.codes)
  const tables = arena.put(tensor.centroids)
  const values = arena.take(rows * columns * 4)
  const rowCodes = arena.take(columns)
  wasm.dequantizeKMeans(codes, tables, rows, columns, group === 'row' ? columns : group, bits, values, rowCodes)
  return arena.floats(values, rows * columns)
}
