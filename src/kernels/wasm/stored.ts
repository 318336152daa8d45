import { bytesPerElement } from '../../core/dtype.ts'
import { type GgmlType, ggmlBytes } from '../contract/ggml.ts'
import type { MeasuredBlocks } from '../contract/kernels.ts'
import type { StoredPiece } from '../contract/operations.ts'
import { requireBlocks, requireLength, weightNotFinite } from '../faults.ts'
import type { Arena } from './arena.ts'
import type { KernelExports } from './module.ts'
import { sumsOf } from './weights.ts'

export function quantizeStored(wasm: KernelExports, arena: Arena, { piece, type }: { piece: StoredPiece; type: GgmlType }): MeasuredBlocks {
  const { rows, columns, firstRow, dtype } = piece
  requireBlocks(piece, type)
  const count = rows * columns
  requireLength('A stored matrix', piece.bytes.length, count * bytesPerElement[dtype])
  const bytes = ggmlBytes(type, rows, columns)
  arena.reset()
  const weight = widen(wasm, arena, piece)
  const blocks = arena.take(bytes)
  if (wasm[`encode${type}`](weight, count, blocks) !== 0) {
    throw weightNotFinite({ data: arena.floats(weight, count), rows, columns, firstRow })
  }
  const values = arena.take(count * 4)
  wasm[`decode${type}`](blocks, count, values)
  return { blocks: arena.bytes(blocks, bytes), sums: sumsOf(wasm, arena, { weight, values, count }) }
}

/** Where the piece's values lie as f32. */
function widen(wasm: KernelExports, arena: Arena, { bytes, dtype, rows, columns }: StoredPiece): number {
  const stored = arena.put(bytes)
  if (dtype === 'F32') return stored
  const count = rows * columns
  const values = arena.take(count * 4)
  // Halves as a checkpoint stores them are blocks of ggml's F16, one element each.
  if (dtype === 'F16') wasm.decodeF16(stored, count, values)
  else wasm.widenBfloat16(stored, count, values)
  return values
}
