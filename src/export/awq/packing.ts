import { type AffineTensor, packedRowBytes } from '../../kernels/contract/affine.ts'
import type { RowPlace } from '../gptq/packing.ts'
import type { Band } from '../matrix-parts.ts'
import { zeroPointsOf } from '../safetensors/affine-values.ts'
import { wordsIn } from '../turn-words.ts'

/**
 * AutoAWQ's layout "gemm" (`awq/modules/linear/gemm.py`): codes and zero points packed along the outputs, eight in a word, in
 * the order in which its kernel takes them apart.
 */

/** Outputs in a word: 4 bits each. */
export const wordOutputs = 8
/** Output that stands in nibble i of a word, least significant first. */
const outputOf = [0, 2, 4, 6, 1, 3, 5, 7] as const

/** Columns that are turned at a time: their lines stay in the cache. */
const turned = 64

/**
 * What rows of a matrix have in lines of `qweight` [inFeatures, outFeatures / 8]: of eight rows, eight columns at a time as a
 * square of nibbles that is transposed. The rows are a multiple of `wordOutputs`, the first one too.
 */
export function putWeights(tensor: AffineTensor, { rows, rowStart }: RowPlace, { lineStart, lineEnd, bytes }: Band): void {
  const { columns, codes } = tensor
  const rowBytes = packedRowBytes(columns, 4)
  const lineWords = rows / wordOutputs
  const into = wordsIn(bytes)
  const square = new Uint32Array(8)
  // Lines of a band may begin within a square.
  for (let block = Math.floor(lineStart / 8) * 8; block < lineEnd; block += turned) {
    for (let row = 0; row < tensor.rows; row += wordOutputs) {
      const word = (rowStart + row) / wordOutputs
      for (let column = block; column < Math.min(lineEnd, block + turned); column += 8) {
        for (let nibble = 0; nibble < 8; nibble++) {
          const at = (row + (outputOf[nibble] ?? 0)) * rowBytes + column / 2
          square[nibble] = (codes[at] ?? 0) | ((codes[at + 1] ?? 0) << 8) | ((codes[at + 2] ?? 0) << 16) | ((codes[at + 3] ?? 0) << 24)
        }
        transpose(square)
        const [first, last] = [Math.max(lineStart, column), Math.min(lineEnd, column + 8)]
        for (let line = first; line < last; line++) into[(line - lineStart) * lineWords + word] = square[line - column] ?? 0
      }
    }
  }
}

/** Of eight words of eight nibbles: blocks of four, two and one nibble change places (Hacker's Delight 7-3). */
function transpose(square: Uint32Array): void {
  for (let distance = 4, mask = 0xffff; distance > 0; distance >>= 1, mask ^= mask << (4 * distance)) {
    for (let at = 0; at < 8; at = (at + distance + 1) & ~distance) {
      const [one, other] = [square[at] ?? 0, square[at + distance] ?? 0]
      const moved = ((one >>> (4 * distance)) ^ other) & mask
      square[at + distance] = other ^ moved
      square[at] = one ^ (moved << (4 * distance))
    }
  }
}

/** What rows have in lines of `qzeros` [groups, outFeatures / 8]: zero points as they are. Rows as for `putWeights`. */
export function putZeros(tensor: AffineTensor, { rows, rowStart }: RowPlace, { lineStart, lineEnd, bytes }: Band): void {
  const lineWords = rows / wordOutputs
  const into = wordsIn(bytes)
  const zeroOf = zeroPointsOf(tensor)
  for (let index = lineStart; index < lineEnd; index++) {
    for (let row = 0; row < tensor.rows; row += wordOutputs) {
      const word = outputOf.reduce<number>((sum, output, nibble) => sum | (zeroOf(row + output, index) << (4 * nibble)), 0)
      into[(index - lineStart) * lineWords + (rowStart + row) / wordOutputs] = word
    }
  }
}
