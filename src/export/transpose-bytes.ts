import { signedWordsIn } from '../core/words.ts'

/** Words of a line that are written one after the other: those of a line of the cache. */
const atOnce = 16

/** Some rows of a matrix: how many rows the whole one has, and which is the first of these. */
export interface BytePlace {
  readonly rows: number
  readonly columns: number
  readonly rowStart: number
}

/**
 * Turns rows of bytes, [count, columns], into lines across them: `into[(column - first) * rows + rowStart + row]` becomes
 * `from[row * columns + column]` for columns [first, last), with `flip` exclusive-ored to each byte of it.
 */
export function transposeBytes(
  from: Uint8Array,
  { rows, columns, rowStart }: BytePlace,
  into: Uint8Array<ArrayBuffer>,
  { first, last, flip }: { readonly first: number; readonly last: number; readonly flip: number },
): void {
  const count = from.length / columns
  const areWhole = [count, rows, columns, rowStart, first, last, into.byteOffset].every((each) => each % 4 === 0)
  if (areWhole) {
    turnWhole(signedWordsIn(from), { rows, columns, rowStart }, signedWordsIn(into), { first, last, flip })
    return
  }
  for (let row = 0; row < count; row++) {
    for (let column = first; column < last; column++) {
      into[(column - first) * rows + rowStart + row] = (from[row * columns + column] ?? 0) ^ flip
    }
  }
}

/** Four rows and four columns at a time, as words. */
function turnWhole(
  from: Int32Array,
  { rows, columns, rowStart }: BytePlace,
  into: Int32Array,
  { first, last, flip }: { readonly first: number; readonly last: number; readonly flip: number },
): void {
  const rowWords = columns / 4
  const lineWords = rows / 4
  const count = from.length / columns
  const flips = flip * 0x01010101
  for (let block = 0; block < count; block += atOnce) {
    const end = Math.min(count, block + atOnce)
    for (let column = first; column < last; column += 4) {
      let line = (column - first) * lineWords + rowStart / 4 + block
      let at = block * columns + column / 4
      for (let word = block; word < end; word++, line++, at += columns) {
        const [a, b, c, d] = [from[at] ?? 0, from[at + rowWords] ?? 0, from[at + 2 * rowWords] ?? 0, from[at + 3 * rowWords] ?? 0]
        // Pairs of rows: their bytes 0 and 2, and 1 and 3, side by side.
        const [ab0, ab1] = [(a & 0x00ff00ff) | ((b & 0x00ff00ff) << 8), ((a >>> 8) & 0x00ff00ff) | (b & 0xff00ff00)]
        const [cd0, cd1] = [(c & 0x00ff00ff) | ((d & 0x00ff00ff) << 8), ((c >>> 8) & 0x00ff00ff) | (d & 0xff00ff00)]
        into[line] = ((ab0 & 0xffff) | (cd0 << 16)) ^ flips
        into[line + lineWords] = ((ab1 & 0xffff) | (cd1 << 16)) ^ flips
        into[line + 2 * lineWords] = ((ab0 >>> 16) | (cd0 & 0xffff0000)) ^ flips
        into[line + 3 * lineWords] = ((ab1 >>> 16) | (cd1 & 0xffff0000)) ^ flips
      }
    }
  }
}
