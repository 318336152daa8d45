import { narrowToHalf } from '../../core/float16.ts'
import { type AffineTensor, groupsPerRow, packedRowBytes } from '../../kernels/contract/affine.ts'
import { unpackRow } from '../code-rows.ts'
import { zeroPointOf } from '../safetensors/affine-values.ts'

/**
 * compressed-tensors (`compressors/pack_quantized/helpers.py`): a signed code q of b bits is stored as q + 2^(b-1), which is the
 * studio's own code, in a bit stream along the row, least significant bit first, rows filled up to whole words.
 */

/** Words of a row of `count` fields. */
export function wordsFor(count: number, bits: number): number {
  return Math.ceil((count * bits) / 32)
}

/** Rows [rowStart, rowEnd) of `weight_packed`: rows of bytes become rows of words. */
export function packRows({ columns, bits, codes }: AffineTensor, rowStart: number, rowEnd: number): Uint8Array<ArrayBuffer> {
  const from = packedRowBytes(columns, bits)
  const to = 4 * wordsFor(columns, bits)
  const bytes = new Uint8Array((rowEnd - rowStart) * to)
  for (let row = rowStart; row < rowEnd; row++) bytes.set(codes.subarray(row * from, (row + 1) * from), (row - rowStart) * to)
  return bytes
}

/** Rows [rowStart, rowEnd) as signed bytes: `weight` of `int-quantized`. 4 or 8 bits. */
export function signedRows({ columns, bits, codes }: AffineTensor, rowStart: number, rowEnd: number): Uint8Array<ArrayBuffer> {
  const rowBytes = packedRowBytes(columns, bits)
  const middle = 2 ** (bits - 1)
  const signed = new Int8Array((rowEnd - rowStart) * columns)
  const ofRow = new Uint8Array(columns)
  for (let row = rowStart; row < rowEnd; row++) {
    unpackRow(codes, { at: row * rowBytes, bits, columns }, ofRow)
    for (let column = 0; column < columns; column++) signed[(row - rowStart) * columns + column] = (ofRow[column] ?? 0) - middle
  }
  return new Uint8Array(signed.buffer)
}

/** `weight_zero_point` [words of rows, groups] of `pack-quantized`: fields along the outputs. */
export function packZeros(tensor: AffineTensor): Uint8Array<ArrayBuffer> {
  const { rows, columns, bits, group } = tensor
  const groups = groupsPerRow(columns, group)
  const words = new Uint32Array(wordsFor(rows, bits) * groups)
  for (let row = 0; row < rows; row++) {
    const bit = row * bits
    for (let index = 0; index < groups; index++) {
      const at = (bit >>> 5) * groups + index
      words[at] = (words[at] ?? 0) | (zeroPointOf(tensor, row, index) << (bit & 31))
    }
  }
  return new Uint8Array(words.buffer)
}

/** `weight_zero_point` [rows, groups] of `int-quantized`. */
export function signedZeros(tensor: AffineTensor): Uint8Array<ArrayBuffer> {
  const groups = groupsPerRow(tensor.columns, tensor.group)
  const middle = 2 ** (tensor.bits - 1)
  const signed = Int8Array.from({ length: tensor.rows * groups }, (_, at) => {
    return zeroPointOf(tensor, Math.floor(at / groups), at % groups) - middle
  })
  return new Uint8Array(signed.buffer)
}

/** `weight_scale` [rows, groups] in half precision, which the stored scales already have. */
export function halfScales({ rows, columns, group, scales }: AffineTensor): Uint8Array<ArrayBuffer> {
  const count = rows * groupsPerRow(columns, group)
  const values = group === 'tensor' ? new Float32Array(count).fill(scales[0] ?? 0) : scales
  return new Uint8Array(narrowToHalf(values).buffer)
}
