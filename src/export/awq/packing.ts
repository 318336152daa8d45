import { signedWordsIn, wordsIn } from '../../core/words.ts'
import { type AffineTensor, packedRowBytes } from '../../kernels/contract/affine.ts'
import type { RowPlace } from '../gptq/packing.ts'
import type { Band } from '../matrix-parts.ts'
import { zeroPointsOf } from '../safetensors/affine-values.ts'

/**
 * AutoAWQ's layout "gemm" (`awq/modules/linear/gemm.py`): codes and zero points packed along the outputs, eight in a word, in
 * the order in which its kernel takes them apart.
 */

/** Outputs in a word: 4 bits each. */
export const wordOutputs = 8
/** Output that stands in nibble i of a word, least significant first. */
const outputOf = [0, 2, 4, 6, 1, 3, 5, 7] as const

/** Words of lines, and of rows, that are turned at a time: a line of the cache each. */
const atOnce = 16

/**
 * What rows of a matrix have in lines of `qweight` [inFeatures, outFeatures / 8]: of eight rows, eight columns at a time as a
 * square of nibbles that is transposed. The rows are a multiple of `wordOutputs`, the first one too.
 */
export function putWeights(tensor: AffineTensor, { rows, rowStart }: RowPlace, { lineStart, lineEnd, bytes }: Band): void {
  const from = wordsOfRows(tensor)
  const rowWords = from.length / tensor.rows
  const lineWords = rows / wordOutputs
  const into = signedWordsIn(bytes)
  const count = tensor.rows / wordOutputs
  for (let block = 0; block < count; block += atOnce) {
    const end = Math.min(count, block + atOnce)
    for (let first = lineStart & ~7; first < lineEnd; first += 8 * atOnce) {
      const last = Math.min(lineEnd, first + 8 * atOnce)
      // Along the rows: at the same place in several of them the cache has few places.
      for (let word = block; word < end; word++) {
        for (let column = first; column < last; column += 8) {
          // Rows in the order of `outputOf`, a nibble a column.
          const at = word * wordOutputs * rowWords + column / 8
          const [a0, a1] = [from[at] ?? 0, from[at + 2 * rowWords] ?? 0]
          const [a2, a3] = [from[at + 4 * rowWords] ?? 0, from[at + 6 * rowWords] ?? 0]
          const [a4, a5] = [from[at + rowWords] ?? 0, from[at + 3 * rowWords] ?? 0]
          const [a6, a7] = [from[at + 5 * rowWords] ?? 0, from[at + 7 * rowWords] ?? 0]
          // Blocks of four, of two and of one nibble change places (Hacker's Delight 7-3).
          const [b0, b4] = [(a0 & 0xffff) | (a4 << 16), (a0 >>> 16) | (a4 & 0xffff0000)]
          const [b1, b5] = [(a1 & 0xffff) | (a5 << 16), (a1 >>> 16) | (a5 & 0xffff0000)]
          const [b2, b6] = [(a2 & 0xffff) | (a6 << 16), (a2 >>> 16) | (a6 & 0xffff0000)]
          const [b3, b7] = [(a3 & 0xffff) | (a7 << 16), (a3 >>> 16) | (a7 & 0xffff0000)]
          const [c0, c2] = [(b0 & 0x00ff00ff) | ((b2 & 0x00ff00ff) << 8), ((b0 >>> 8) & 0x00ff00ff) | (b2 & 0xff00ff00)]
          const [c1, c3] = [(b1 & 0x00ff00ff) | ((b3 & 0x00ff00ff) << 8), ((b1 >>> 8) & 0x00ff00ff) | (b3 & 0xff00ff00)]
          const [c4, c6] = [(b4 & 0x00ff00ff) | ((b6 & 0x00ff00ff) << 8), ((b4 >>> 8) & 0x00ff00ff) | (b6 & 0xff00ff00)]
          const [c5, c7] = [(b5 & 0x00ff00ff) | ((b7 & 0x00ff00ff) << 8), ((b5 >>> 8) & 0x00ff00ff) | (b7 & 0xff00ff00)]
          const [d0, d1] = [(c0 & 0x0f0f0f0f) | ((c1 & 0x0f0f0f0f) << 4), ((c0 >>> 4) & 0x0f0f0f0f) | (c1 & 0xf0f0f0f0)]
          const [d2, d3] = [(c2 & 0x0f0f0f0f) | ((c3 & 0x0f0f0f0f) << 4), ((c2 >>> 4) & 0x0f0f0f0f) | (c3 & 0xf0f0f0f0)]
          const [d4, d5] = [(c4 & 0x0f0f0f0f) | ((c5 & 0x0f0f0f0f) << 4), ((c4 >>> 4) & 0x0f0f0f0f) | (c5 & 0xf0f0f0f0)]
          const [d6, d7] = [(c6 & 0x0f0f0f0f) | ((c7 & 0x0f0f0f0f) << 4), ((c6 >>> 4) & 0x0f0f0f0f) | (c7 & 0xf0f0f0f0)]
          const line = (column - lineStart) * lineWords + rowStart / wordOutputs + word
          // Lines of a band may begin and end within a square.
          if (column >= lineStart && column + 8 <= lineEnd) {
            into[line] = d0
            into[line + lineWords] = d1
            into[line + 2 * lineWords] = d2
            into[line + 3 * lineWords] = d3
            into[line + 4 * lineWords] = d4
            into[line + 5 * lineWords] = d5
            into[line + 6 * lineWords] = d6
            into[line + 7 * lineWords] = d7
            continue
          }
          const square = [d0, d1, d2, d3, d4, d5, d6, d7]
          const [top, bottom] = [Math.max(lineStart - column, 0), Math.min(lineEnd - column, 8)]
          for (let each = top; each < bottom; each++) into[line + each * lineWords] = square[each] ?? 0
        }
      }
    }
  }
}

/** Codes in whole words a row: rows that do not fill theirs are filled up. */
function wordsOfRows({ rows, columns, codes }: AffineTensor): Int32Array {
  if (columns % 8 === 0) return signedWordsIn(codes)
  const rowBytes = packedRowBytes(columns, 4)
  const wordBytes = 4 * Math.ceil(columns / 8)
  const filled = new Uint8Array(rows * wordBytes)
  for (let row = 0; row < rows; row++) filled.set(codes.subarray(row * rowBytes, (row + 1) * rowBytes), row * wordBytes)
  return signedWordsIn(filled)
}

/** What rows have in lines of `qzeros` [groups, outFeatures / 8]: zero points as they are. Rows as for `putWeights`. */
export function putZeros(tensor: AffineTensor, { rows, rowStart }: RowPlace, { lineStart, lineEnd, bytes }: Band): void {
  const lineWords = rows / wordOutputs
  const into = wordsIn(bytes)
  const zeroOf = zeroPointsOf(tensor)
  for (let index = lineStart; index < lineEnd; index++) {
    for (let row = 0; row < tensor.rows; row += wordOutputs) {
      let word = 0
      for (let nibble = 0; nibble < wordOutputs; nibble++) word |= zeroOf(row + (outputOf[nibble] ?? 0), index) << (4 * nibble)
      into[(index - lineStart) * lineWords + (rowStart + row) / wordOutputs] = word
    }
  }
}
