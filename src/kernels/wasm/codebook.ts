import { blockCount, type CodeBookParams, type CodeBookTensor, codeBooks, sortBook } from '../contract/codebook.ts'
import type { FlatPiece } from '../contract/operations.ts'
import { flatWeightNotFinite } from '../faults.ts'
import type { Arena } from './arena.ts'
import type { KernelExports } from './module.ts'

export function quantizeCodeBook(
  wasm: KernelExports,
  arena: Arena,
  { piece, params }: { piece: FlatPiece; params: CodeBookParams },
): Pick<CodeBookTensor, 'codes' | 'scales'> {
  const { blockSize } = params
  const count = piece.data.length
  const blocks = blockCount({ rows: 1, columns: count }, blockSize)
  const { order, midpoints } = sortBook(params.book)
  arena.reset()
  const x = arena.put(piece.data)
  const codes = arena.take(Math.ceil(count / 2))
  const scales = arena.take(blocks * 4)
  const shortBlock = arena.takeZeroed(blockSize * 4)
  if (wasm.quantizeCodeBook(x, count, blockSize, arena.put(midpoints), arena.put(order), codes, scales, shortBlock) !== 0) {
    throw flatWeightNotFinite(piece)
  }
  return { codes: arena.bytes(codes, Math.ceil(count / 2)), scales: arena.floats(scales, blocks) }
}

/** Byte b of each of the 16 values, for every b: [4, 16]. */
function bytePlanes(values: Float32Array): Uint8Array {
  const bytes = new Uint8Array(Float32Array.from(values).buffer)
  return Uint8Array.from({ length: 64 }, (_, i) => bytes[(i % 16) * 4 + Math.floor(i / 16)] ?? 0)
}

export function dequantizeCodeBook(wasm: KernelExports, arena: Arena, tensor: CodeBookTensor): Float32Array<ArrayBuffer> {
  const { rows, columns, book, blockSize } = tensor
  const count = rows * columns
  arena.reset()
  const codes = arena.put(tensor.codes)
  const scales = arena.put(tensor.scales)
  const planes = arena.put(bytePlanes(codeBooks[book]))
  const values = arena.take(count * 4)
  wasm.dequantizeCodeBook(codes, scales, count, blockSize, planes, values)
  return arena.floats(values, count)
}
