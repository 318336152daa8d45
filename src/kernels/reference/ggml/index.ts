import { type GgmlType, ggmlBytes, ggmlTypes } from '../../contract/ggml.ts'
import type { MatrixShape } from '../../contract/kernels.ts'
import type { MatrixPiece } from '../../contract/operations.ts'
import { requireBlocks, requireLength, weightNotFinite } from '../../faults.ts'
import type { BlockCodec } from './block-codec.ts'
import { f16 } from './f16.ts'
import { f32 } from './f32.ts'
import { q4_0 } from './q4-0.ts'
import { q4_1 } from './q4-1.ts'
import { q8_0 } from './q8-0.ts'

const codecs: Readonly<Record<GgmlType, BlockCodec>> = { F32: f32, F16: f16, Q4_0: q4_0, Q4_1: q4_1, Q8_0: q8_0 }

export function quantizeGgml(piece: MatrixPiece, type: GgmlType): Uint8Array<ArrayBuffer> {
  requireBlocks(piece, type)
  if (piece.data.some((value) => !Number.isFinite(value))) throw weightNotFinite(piece)
  const blocks = new Uint8Array(ggmlBytes(type, piece.rows, piece.columns))
  const view = new DataView(blocks.buffer)
  const { blockSize, blockBytes } = ggmlTypes[type]
  for (let block = 0; block * blockSize < piece.data.length; block++) {
    codecs[type].encode(piece.data.subarray(block * blockSize, (block + 1) * blockSize), view, block * blockBytes)
  }
  return blocks
}

export function dequantizeGgml(blocks: Uint8Array<ArrayBuffer>, shape: MatrixShape, type: GgmlType): Float32Array<ArrayBuffer> {
  requireBlocks(shape, type)
  requireLength(`A ${type} tensor`, blocks.length, ggmlBytes(type, shape.rows, shape.columns))
  const data = new Float32Array(shape.rows * shape.columns)
  const view = new DataView(blocks.buffer, blocks.byteOffset, blocks.byteLength)
  const { blockSize, blockBytes } = ggmlTypes[type]
  for (let block = 0; block * blockSize < data.length; block++) {
    codecs[type].decode(view, block * blockBytes, data.subarray(block * blockSize, (block + 1) * blockSize))
  }
  return data
}
