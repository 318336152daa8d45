import { narrowToHalf } from '../../core/float16.ts'
import { ownBytes } from '../../core/shared-memory.ts'
import type { Scratch } from '../../io/scratch.ts'
import { flipSigns } from '../../kernels/codes/make.ts'
import { type AffineTensor, groupsPerRow, packedRowBytes } from '../../kernels/contract/affine.ts'
import { unpackRow } from '../code-rows.ts'
import { zeroPointsOf } from '../safetensors/affine-values.ts'

/**
 * compressed-tensors (`compressors/pack_quantized/helpers.py`): a signed code q of b bits is stored as q + 2^(b-1), which is the
 * studio's own code, in a bit stream along the row, least significant bit first, rows filled up to whole words.
 */

/** Words of a row of `count` fields. */
export function wordsFor(count: number, bits: number): number {
  return Math.ceil((count * bits) / 32)
}

/** Rows of `weight_packed`: rows of bytes become rows of words. */
export function packRows({ rows, columns, bits, codes }: AffineTensor): Uint8Array<ArrayBuffer> {
  const from = packedRowBytes(columns, bits)
  const to = 4 * wordsFor(columns, bits)
  if (from === to) return ownBytes(codes)
  const bytes = new Uint8Array(rows * to)
  for (let row = 0; row < rows; row++) bytes.set(codes.subarray(row * from, (row + 1) * from), row * to)
  return bytes
}

/** Rows as signed bytes, in `memory`: `weight` of `int-quantized`. 4 or 8 bits. */
export function signedRows({ rows, columns, bits, codes }: AffineTensor, memory: Scratch): Uint8Array<ArrayBuffer> {
  const bytes = memory.take(rows * columns)
  if (bits === 8) return flipSigns(codes, bytes)
  const rowBytes = packedRowBytes(columns, bits)
  for (let row = 0; row < rows; row++) {
    unpackRow(codes, { at: row * rowBytes, bits, columns }, bytes.subarray(row * columns, (row + 1) * columns))
  }
  const middle = 2 ** (bits - 1)
  for (let at = 0; at < bytes.length; at++) bytes[at] = (bytes[at] ?? 0) - middle
  return bytes
}

/** `weight_zero_point` [words of rows, groups] of `pack-quantized`: fields along the outputs, of rows that begin a word. */
export function packZeros(tensor: AffineTensor): Uint8Array<ArrayBuffer> {
  const { rows, columns, bits, group, zeroPoints } = tensor
  const groups = groupsPerRow(columns, group)
  const words = new Int32Array(wordsFor(rows, bits) * groups)
  for (let row = 0; row < rows; row++) {
    const line = ((row * bits) >>> 5) * groups
    const shift = (row * bits) & 31
    const own = group === 'tensor' ? 0 : row * groups
    for (let index = 0; index < groups; index++)
      words[line + index] = (words[line + index] ?? 0) | ((zeroPoints[own + index] ?? 0) << shift)
  }
  return new Uint8Array(words.buffer)
}

/** `weight_zero_point` [rows, groups] of `int-quantized`. */
export function signedZeros(tensor: AffineTensor): Uint8Array<ArrayBuffer> {
  const groups = groupsPerRow(tensor.columns, tensor.group)
  const middle = 2 ** (tensor.bits - 1)
  const zeroOf = zeroPointsOf(tensor)
  const signed = Int8Array.from({ length: tensor.rows * groups }, (_, at) => {
    return zeroOf(Math.floor(at / groups), at % groups) - middle
  })
  return new Uint8Array(signed.buffer)
}

/** `weight_scale` [rows, groups] in half precision, which the stored scales already have. */
export function halfScales({ rows, columns, group, scales }: AffineTensor): Uint8Array<ArrayBuffer> {
  const count = rows * groupsPerRow(columns, group)
  const values = group === 'tensor' ? new Float32Array(count).fill(scales[0] ?? 0) : scales
  return new Uint8Array(narrowToHalf(values).buffer)
}
