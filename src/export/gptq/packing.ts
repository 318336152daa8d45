import { signedWordsIn } from '../../core/words.ts'
import { type AffineTensor, groupsPerRow } from '../../kernels/contract/affine.ts'
import type { Band } from '../matrix-parts.ts'

/**
 * The "gptq" layout (AutoGPTQ `qlinear_cuda.py`, GPTQModel `qlinear/__init__.py`): codes packed along the inputs, zero points
 * along the outputs, both as 32-bit words whose fields form one bit stream, least significant bit first. Column order of error
 * feedback does not show here: groups keep their places, so `g_idx` is in order and `desc_act` false. For 3 bits the reference packs
 * 32 codes into three words case by case; that is the same stream. A row of stored codes already is that of one column, so codes
 * are packed by `LineMemory.wordsToLines`.
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
 * What rows have in lines of `qzeros` [groups, outFeatures * bits / 32], each field the zero point minus `less`: 1 in format v1, 0
 * in v2. A zero point of 0 wraps in v1 to the largest code within its field, so that a reader that adds one and masks gets 0 back.
 * The rows are a multiple of `packingUnit`, the first one too.
 */
export function putZeros(tensor: AffineTensor, { rows, rowStart }: RowPlace, { lineStart, lineEnd, bytes }: Band, less: 0 | 1): void {
  const { bits } = tensor
  const lines = signedWordsIn(bytes)
  const lineWords = zeroWords(rows, bits)
  // Words of some rows in every line, one behind the other.
  const words = new Int32Array(bits * groupsPerRow(tensor.columns, tensor.group))
  for (let row = 0; row < tensor.rows; row += packingUnit) {
    words.fill(0)
    for (let each = 0; each < packingUnit; each++) addZeros(tensor, row + each, { words, start: each * bits, less })
    let to = zeroWords(rowStart + row, bits)
    for (let from = lineStart * bits; from < lineEnd * bits; from += bits, to += lineWords) {
      for (let word = 0; word < bits; word++) lines[to + word] = words[from + word] ?? 0
    }
  }
}

/** Adds the zero points of a row to the words of its run, in the fields from bit `start` on. */
function addZeros(
  { columns, bits, group, zeroPoints }: AffineTensor,
  row: number,
  { words, start, less }: { readonly words: Int32Array; readonly start: number; readonly less: number },
): void {
  const mask = 2 ** bits - 1
  const shift = start & 31
  let at = group === 'tensor' ? 0 : row * groupsPerRow(columns, group)
  if (shift + bits <= 32) {
    for (let word = start >>> 5; word < words.length; word += bits)
      words[word] = (words[word] ?? 0) | ((((zeroPoints[at++] ?? 0) - less) & mask) << shift)
    return
  }
  for (let word = start >>> 5; word < words.length; word += bits) {
    const field = ((zeroPoints[at++] ?? 0) - less) & mask
    words[word] = (words[word] ?? 0) | (field << shift)
    words[word + 1] = (words[word + 1] ?? 0) | (field >>> (32 - shift))
  }
}

/** `g_idx` [inFeatures]: the group of each input, in order (no activation order). */
export function groupIndex(inFeatures: number, group: AffineTensor['group']): Uint8Array<ArrayBuffer> {
  const size = typeof group === 'number' ? group : inFeatures
  return new Uint8Array(Int32Array.from({ length: inFeatures }, (_, input) => Math.floor(input / size)).buffer)
}
