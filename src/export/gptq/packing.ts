import { signedWordsIn } from '../../core/words.ts'
import type { AffineTensor } from '../../kernels/contract/affine.ts'
import type { Band } from '../matrix-parts.ts'
import { zeroPointsOf } from '../safetensors/affine-values.ts'
import { turnWords } from '../turn-words.ts'

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

/** Some of all rows of a matrix: how many there are, and which is the first of these. */
export interface RowPlace {
  readonly rows: number
  readonly rowStart: number
}

/**
 * What rows of a matrix have in lines of `qweight` [inFeatures * bits / 32, outFeatures]. A row of stored codes already is the bit
 * stream of one column, so packing is a transpose of words.
 */
export function putWeights({ columns, bits, codes }: AffineTensor, place: RowPlace, { lineStart, lineEnd, bytes }: Band): void {
  const lines = { words: weightWords(columns, bits), firstWord: lineStart, lastWord: lineEnd }
  turnWords(signedWordsIn(codes), lines, signedWordsIn(bytes), place)
}

/**
 * What rows have in lines of `qzeros` [groups, outFeatures * bits / 32], each field the zero point minus `less`: 1 in format v1, 0
 * in v2. A zero point of 0 wraps in v1 to the largest code within its field, so that a reader that adds one and masks gets 0 back.
 * The rows are a multiple of `packingUnit`, the first one too.
 */
export function putZeros(tensor: AffineTensor, { rows, rowStart }: RowPlace, band: Band, less: 0 | 1): void {
  const { bits } = tensor
  const zeroOf = zeroPointsOf(tensor)
  const mask = 2 ** bits - 1
  const words = signedWordsIn(band.bytes)
  for (let index = band.lineStart; index < band.lineEnd; index++) {
    let at = (index - band.lineStart) * zeroWords(rows, bits) + zeroWords(rowStart, bits)
    for (let out = 0, word = 0, filled = 0; out < tensor.rows; out++) {
      const field = (zeroOf(out, index) - less) & mask
      word |= field << filled
      filled += bits
      if (filled < 32) continue
      words[at++] = word
      filled -= 32
      word = field >>> (bits - filled)
    }
  }
}

/** `g_idx` [inFeatures]: the group of each input, in order (no activation order). */
export function groupIndex(inFeatures: number, group: AffineTensor['group']): Uint8Array<ArrayBuffer> {
  const size = typeof group === 'number' ? group : inFeatures
  return new Uint8Array(Int32Array.from({ length: inFeatures }, (_, input) => Math.floor(input / size)).buffer)
}
