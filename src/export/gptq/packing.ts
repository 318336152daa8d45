import { type AffineTensor, groupsPerRow, packedRowBytes } from '../../kernels/contract/affine.ts'
import { zeroPointOf } from '../safetensors/affine-values.ts'

/**
 * The "gptq" layout (AutoGPTQ `qlinear_cuda.py`, GPTQModel `qlinear/__init__.py`): codes packed along the inputs, zero points
 * along the outputs, both as 32-bit words whose fields form one bit stream, least significant bit first. Column order of error
 * feedback does not show here: groups keep their places, so `g_idx` is in order and `desc_act` false. For 3 bits the reference packs 32 codes into three words case by case; that is the same stream.
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
 * `qzeros` [groups, outFeatures * bits / 32], each field the zero point minus `less`: 1 in format v1, 0 in v2. A zero point of 0
 * wraps in v1 to the largest code within its field, so that a reader that adds one and masks gets 0 back.
 */
export function packZeros(tensor: AffineTensor, less: 0 | 1): Uint8Array<ArrayBuffer> {
  const { rows, columns, bits, group } = tensor
  const groups = groupsPerRow(columns, group)
  const mask = 2 ** bits - 1
  const wordsARow = zeroWords(rows, bits)
  const words = new Uint32Array(groups * wordsARow)
  for (let index = 0; index < groups; index++) {
    for (let out = 0; out < rows; out++) {
      const field = (zeroPointOf(tensor, out, index) - less) & mask
      const bit = out * bits
      const word = index * wordsARow + Math.floor(bit / 32)
      const shift = bit % 32
      words[word] = (words[word] ?? 0) | (field << shift)
      if (shift + bits > 32) words[word + 1] = (words[word + 1] ?? 0) | (field >>> (32 - shift))
    }
  }
  return new Uint8Array(words.buffer)
}

/** `g_idx` [inFeatures]: the group of each input, in order (no activation order). */
export function groupIndex(inFeatures: number, group: AffineTensor['group']): Uint8Array<ArrayBuffer> {
  const size = typeof group === 'number' ? group : inFeatures
  return new Uint8Array(Int32Array.from({ length: inFeatures }, (_, input) => Math.floor(input / size)).buffer)
}
