import { type GgmlType, ggmlBytes, ggmlTypes } from '../../contract/ggml.ts'
import type { MatrixShape } from '../../contract/kernels.ts'
import type { MatrixPiece } from '../../contract/operations.ts'
import { requireBlocks, requireGgmlImportance, requireLength, weightNotFinite } from '../../faults.ts'
import type { BlockCodec } from './block-codec.ts'
import { f16 } from './f16.ts'
import { f32 } from './f32.ts'
import { mxfp4, nvfp4 } from './fp4.ts'
import { iq1_m, iq1_s } from './iq1.ts'
import { iq2_s, iq2_xs, iq2_xxs } from './iq2.ts'
import { iq3_s, iq3_xxs } from './iq3.ts'
import { iq4_nl, iq4_xs } from './iq4.ts'
import { q2_k } from './q2-k.ts'
import { q3_k } from './q3-k.ts'
import { q4_0 } from './q4-0.ts'
import { q4_1 } from './q4-1.ts'
import { q4_k, q5_k } from './q4-k.ts'
import { q5_0 } from './q5-0.ts'
import { q5_1 } from './q5-1.ts'
import { q6_k } from './q6-k.ts'
import { q8_0 } from './q8-0.ts'
import { tq1_0, tq2_0 } from './ternary.ts'
import { squareSum } from './weighting.ts'

const codecs: Readonly<Record<GgmlType, BlockCodec>> = {
  F32: f32,
  F16: f16,
  Q4_0: q4_0,
  Q4_1: q4_1,
  Q5_0: q5_0,
  Q5_1: q5_1,
  Q8_0: q8_0,
  Q2_K: q2_k,
  Q3_K: q3_k,
  Q4_K: q4_k,
  Q5_K: q5_k,
  Q6_K: q6_k,
  IQ2_XXS: iq2_xxs,
  IQ2_XS: iq2_xs,
  IQ3_XXS: iq3_xxs,
  IQ1_S: iq1_s,
  IQ4_NL: iq4_nl,
  IQ3_S: iq3_s,
  IQ2_S: iq2_s,
  IQ4_XS: iq4_xs,
  IQ1_M: iq1_m,
  TQ1_0: tq1_0,
  TQ2_0: tq2_0,
  MXFP4: mxfp4,
  NVFP4: nvfp4,
}

export function quantizeGgml(piece: MatrixPiece, type: GgmlType, importance: Float32Array | null): Uint8Array<ArrayBuffer> {
  requireBlocks(piece, type)
  requireGgmlImportance(piece, type, importance)
  if (piece.data.some((value) => !Number.isFinite(value))) throw weightNotFinite(piece)
  const { rows, columns, data } = piece
  const { blockSize, blockBytes } = ggmlTypes[type]
  const rowBytes = ggmlBytes(type, 1, columns)
  const blocks = new Uint8Array(rows * rowBytes)
  const view = new DataView(blocks.buffer)
  const codec = codecs[type]
  for (let row = 0; row < rows; row++) {
    const values = data.subarray(row * columns, (row + 1) * columns)
    const rowMeanSquare = importance === null ? 0 : Math.fround(squareSum(values) / columns)
    for (let start = 0, at = row * rowBytes; start < columns; start += blockSize, at += blockBytes) {
      const block = values.subarray(start, start + blockSize)
      if (importance === null || codec.encodeWeighted === undefined) codec.encode?.(block, view, at)
      else codec.encodeWeighted(block, view, at, { importance: importance.subarray(start, start + blockSize), rowMeanSquare })
    }
  }
  return blocks
}

export function dequantizeGgml(blocks: Uint8Array, shape: MatrixShape, type: GgmlType): Float32Array<ArrayBuffer> {
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
