import type { Int8RowsTensor } from '../contract/int8-rows.ts'
import type { MatrixPiece } from '../contract/operations.ts'
import { weightNotFinite } from '../faults.ts'
import type { Arena } from './arena.ts'
import type { KernelExports } from './module.ts'

export function quantizeInt8Rows(wasm: KernelExports, arena: Arena, piece: MatrixPiece): Int8RowsTensor {
  const { rows, columns } = piece
  arena.reset()
  const x = arena.put(piece.data)
  const codes = arena.take(rows * columns)
  const scales = arena.take(rows * 4)
  if (wasm.quantizeInt8Rows(x, rows, columns, codes, scales) !== 0) throw weightNotFinite(piece)
  return { rows, columns, codes: new Int8Array(arena.bytes(codes, rows * columns).buffer), scales: arena.floats(scales, rows) }
}

export function dequantizeInt8Rows(wasm: KernelExports, arena: Arena, tensor: Int8RowsTensor): Float32Array<ArrayBuffer> {
  const { rows, columns } = tensor
  arena.reset()
  const codes = arena.put(tensor.codes)
  const scales = arena.put(tensor.scales)
  const values = arena.take(rows * columns * 4)
  wasm.dequantizeInt8Rows(codes, scales, rows, columns, values)
  return arena.floats(values, rows * columns)
}
