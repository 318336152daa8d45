import { type GgmlType, ggmlBytes } from '../contract/ggml.ts'
import type { WeightSums } from '../contract/kernels.ts'
import type { MatrixShape } from '../contract/matrix.ts'
import type { MatrixPiece } from '../contract/operations.ts'
import { requireBlocks, requireImportance, requireLength, weightNotFinite } from '../faults.ts'
import type { Arena } from './arena.ts'
import type { KernelExports, SearchedType } from './module.ts'
import { sumsOf } from './weights.ts'

/** Types that search for their codes; the others ignore importance. */
const searchedTypes: Readonly<Record<SearchedType, true>> = {
  Q4_0: true,
  Q4_1: true,
  Q5_0: true,
  Q5_1: true,
  Q2_K: true,
  Q3_K: true,
  Q4_K: true,
  Q5_K: true,
  Q6_K: true,
  IQ4_NL: true,
  IQ4_XS: true,
}

function isSearched(type: GgmlType): type is SearchedType {
  return type in searchedTypes
}

export function quantizeGgml(
  wasm: KernelExports,
  arena: Arena,
  { piece, type, importance }: { piece: MatrixPiece; type: GgmlType; importance: Float32Array | null },
): Uint8Array<ArrayBuffer> {
  requireBlocks(piece, type)
  requireImportance(piece, importance)
  const { rows, columns } = piece
  const bytes = ggmlBytes(type, rows, columns)
  arena.reset()
  const x = arena.put(piece.data)
  const blocks = arena.take(bytes)
  const status =
    importance !== null && isSearched(type)
      ? wasm[`encodeWeighted${type}`](x, rows, columns, blocks, arena.put(importance))
      : wasm[`encode${type}`](x, rows * columns, blocks)
  if (status !== 0) throw weightNotFinite(piece)
  return arena.bytes(blocks, bytes)
}

export function dequantizeGgml(
  wasm: KernelExports,
  arena: Arena,
  { blocks, shape, type }: { blocks: Uint8Array; shape: MatrixShape; type: GgmlType },
): Float32Array<ArrayBuffer> {
  requireBlocks(shape, type)
  requireLength(`A ${type} tensor`, blocks.length, ggmlBytes(type, shape.rows, shape.columns))
  const count = shape.rows * shape.columns
  arena.reset()
  const at = arena.put(blocks)
  const values = arena.take(count * 4)
  wasm[`decode${type}`](at, count, values)
  return arena.floats(values, count)
}

/** Dequantizes into the module's memory and compares there. */
export function compareGgml(
  wasm: KernelExports,
  arena: Arena,
  { piece, blocks, type }: { piece: MatrixPiece; blocks: Uint8Array; type: GgmlType },
): WeightSums {
  requireBlocks(piece, type)
  const count = piece.rows * piece.columns
  requireLength(`A ${type} tensor`, blocks.length, ggmlBytes(type, piece.rows, piece.columns))
  requireLength('A matrix', piece.data.length, count)
  arena.reset()
  const weight = arena.put(piece.data)
  const at = arena.put(blocks)
  const values = arena.take(count * 4)
  wasm[`decode${type}`](at, count, values)
  return sumsOf(wasm, arena, { weight, values, count })
}
