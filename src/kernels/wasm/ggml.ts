import { type GgmlType, ggmlBytes } from '../contract/ggml.ts'
import type { MatrixShape } from '../contract/matrix.ts'
import type { MatrixPiece } from '../contract/operations.ts'
import { requireBlocks, requireLength, weightNotFinite } from '../faults.ts'
import type { Arena } from './arena.ts'
import type { Decode, Encode, KernelExports } from './module.ts'

function codecs(wasm: KernelExports): Readonly<Record<GgmlType, { readonly encode: Encode; readonly decode: Decode }>> {
  return {
    F32: { encode: wasm.encodeF32, decode: wasm.decodeF32 },
    F16: { encode: wasm.encodeF16, decode: wasm.decodeF16 },
    Q4_0: { encode: wasm.encodeQ4_0, decode: wasm.decodeQ4_0 },
    Q4_1: { encode: wasm.encodeQ4_1, decode: wasm.decodeQ4_1 },
    Q8_0: { encode: wasm.encodeQ8_0, decode: wasm.decodeQ8_0 },
  }
}

export function quantizeGgml(
  wasm: KernelExports,
  arena: Arena,
  { piece, type }: { piece: MatrixPiece; type: GgmlType },
): Uint8Array<ArrayBuffer> {
  requireBlocks(piece, type)
  const bytes = ggmlBytes(type, piece.rows, piece.columns)
  arena.reset()
  const x = arena.put(piece.data)
  const blocks = arena.take(bytes)
  if (codecs(wasm)[type].encode(x, piece.rows * piece.columns, blocks) !== 0) throw weightNotFinite(piece)
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
  codecs(wasm)[type].decode(at, count, values)
  return arena.floats(values, count)
}
