import { type GgmlType, ggmlBytes } from '../contract/ggml.ts'
import type { MatrixShape } from '../contract/matrix.ts'
import type { MatrixPiece } from '../contract/operations.ts'
import { requireBlocks, requireImportance, requireLength, weightNotFinite } from '../faults.ts'
import type { Arena } from './arena.ts'
import type { KernelExports, SearchedType } from './module.ts'

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

/**
 * Bytes of weights copied into the module at once: they and their blocks stay in the cache between the copies and the kernel,
 * and a kernel called often is soon compiled to the end (V8 replaces the code of its quick compiler only between calls).
 */
const stripBytes = 2 ** 17

export function quantizeGgml(
  wasm: KernelExports,
  arena: Arena,
  { piece, type, importance }: { piece: MatrixPiece; type: GgmlType; importance: Float32Array | null },
): Uint8Array<ArrayBuffer> {
  requireBlocks(piece, type)
  requireImportance(piece, importance)
  const { data, rows, columns } = piece
  const rowBytes = ggmlBytes(type, 1, columns)
  const most = Math.min(rows, Math.max(1, Math.floor(stripBytes / (columns * 4))))
  const all = new Uint8Array(rows * rowBytes)
  arena.reset()
  const x = arena.take(most * columns * 4)
  const blocks = arena.take(most * rowBytes)
  const encode = encoderOf(wasm, arena, { type, columns, importance })
  for (let start = 0; start < rows; start += most) {
    const count = Math.min(most, rows - start)
    arena.write(x, data.subarray(start * columns, (start + count) * columns))
    if (encode(x, count, blocks) !== 0) throw weightNotFinite(piece)
    all.set(arena.view(blocks, count * rowBytes), start * rowBytes)
  }
  return all
}

/** Encodes rows at x to `to`; not 0 when one is not finite. */
type EncodeRows = (x: number, rows: number, to: number) => number

function encoderOf(
  wasm: KernelExports,
  arena: Arena,
  { type, columns, importance }: { type: GgmlType; columns: number; importance: Float32Array | null },
): EncodeRows {
  if (importance === null || !isSearched(type)) {
    const encode = wasm[`encode${type}`]
    return (x, rows, to) => encode(x, rows * columns, to)
  }
  const encode = wasm[`encodeWeighted${type}`]
  const weights = arena.put(importance)
  return (x, rows, to) => encode(x, rows, columns, to, weights)
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
