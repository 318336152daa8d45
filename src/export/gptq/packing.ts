/* eslint-disable no-restricted-syntax -- bits of 32-bit words, never offsets: the format is defined on them */
import { narrowToHalf } from '../../core/float16.ts'
import { type AffineTensor, groupsPerRow, packedRowBytes } from '../../kernels/contract/affine.ts'

/**
 * The "gptq" layout, format v1 (AutoGPTQ `qlinear_cuda.py`, GPTQModel `qlinear/__init__.py`): codes packed along the
 * inputs, zero points along the outputs, both as 32-bit words whose fields form one bit stream, least significant bit
 * first. For 3 bits the reference packs 32 codes into three words case by case; that is the same stream.
 */

/** Sizes the layout can hold: runs of 32 fill whole words at every bit-width. */
export const packingUnit = 32

/** Words in a column of `qweight`. */
export function weightWords(inFeatures: number, bits: number): number {
  return (inFeatures / packingUnit) * bits
}

/** Words in a row of `qzeros`. */
export function zeroWords(outFeatures: number, bits: number): number {
  return (outFeatures / packingUnit) * bits
}

/**
 * Rows [wordStart, wordEnd) of `qweight` [inFeatures * bits / 32, outFeatures]. A row of stored codes already is the bit
 * stream of one column, so packing is a transpose of words.
 */
export function packWeights(tensor: AffineTensor, wordStart: number, wordEnd: number): Uint8Array<ArrayBuffer> {
  const { rows, columns, bits, codes } = tensor
  const rowBytes = packedRowBytes(columns, bits)
  const words = new Uint32Array((wordEnd - wordStart) * rows)
  for (let out = 0; out < rows; out++) {
    for (let word = wordStart; word < wordEnd; word++) {
      const at = out * rowBytes + 4 * word
      words[(word - wordStart) * rows + out] =
        (codes[at] ?? 0) | ((codes[at + 1] ?? 0) << 8) | ((codes[at + 2] ?? 0) << 16) | ((codes[at + 3] ?? 0) << 24)
    }
  }
  return new Uint8Array(words.buffer)
}

/**
 * `qzeros` [groups, outFeatures * bits / 32]. Format v1 stores the zero point minus one in each field; a zero point of 0
 * wraps to the largest code within its field, so that a reader that adds one and masks gets 0 back.
 */
export function packZeros(tensor: AffineTensor): Uint8Array<ArrayBuffer> {
  const { rows, columns, bits, group } = tensor
  const groups = groupsPerRow(columns, group)
  const mask = 2 ** bits - 1
  const wordsARow = zeroWords(rows, bits)
  const words = new Uint32Array(groups * wordsARow)
  for (let index = 0; index < groups; index++) {
    for (let out = 0; out < rows; out++) {
      const field = (zeroPointOf(tensor, out, index) + mask) & mask
      const bit = out * bits
      const word = index * wordsARow + Math.floor(bit / 32)
      const shift = bit % 32
      words[word] = (words[word] ?? 0) | (field << shift)
      if (shift + bits > 32) words[word + 1] = (words[word + 1] ?? 0) | (field >>> (32 - shift))
    }
  }
  return new Uint8Array(words.buffer)
}

/** `scales` [groups, outFeatures] in half precision, which the stored scales already have. */
export function packScales(tensor: AffineTensor): Uint8Array<ArrayBuffer> {
  const { rows, columns, group, scales } = tensor
  const groups = groupsPerRow(columns, group)
  const transposed = new Float32Array(groups * rows)
  for (let index = 0; index < groups; index++) {
    for (let out = 0; out < rows; out++) {
      transposed[index * rows + out] = (group === 'tensor' ? scales[0] : scales[out * groups + index]) ?? 0
    }
  }
  return new Uint8Array(narrowToHalf(transposed).buffer)
}

/** `g_idx` [inFeatures]: the group of each input, in order (no activation order). */
export function groupIndex(inFeatures: number, group: AffineTensor['group']): Uint8Array<ArrayBuffer> {
  const size = typeof group === 'number' ? group : inFeatures
  return new Uint8Array(Int32Array.from({ length: inFeatures }, (_, input) => Math.floor(input / size)).buffer)
}

function zeroPointOf(tensor: AffineTensor, out: number, index: number): number {
  const groups = groupsPerRow(tensor.columns, tensor.group)
  return (tensor.group === 'tensor' ? tensor.zeroPoints[0] : tensor.zeroPoints[out * groups + index]) ?? 0
}
