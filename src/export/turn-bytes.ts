import { wordsIn } from './turn-words.ts'

/** Columns that are turned at a time: their lines stay in the cache. */
const turned = 64

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
export function turnBytes(
  from: Uint8Array,
  { rows, columns, rowStart }: BytePlace,
  into: Uint8Array<ArrayBuffer>,
  { first, last, flip }: { readonly first: number; readonly last: number; readonly flip: number },
): void {
  const count = from.length / columns
  const areWhole = [count, rows, columns, rowStart, first, last, into.byteOffset].every((each) => each % 4 === 0)
  if (areWhole) {
    turnWhole(wordsIn(from), { rows, columns, rowStart }, wordsIn(into), { first, last, flip })
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
  from: Uint32Array,
  { rows, columns, rowStart }: BytePlace,
  into: Uint32Array,
  { first, last, flip }: { readonly first: number; readonly last: number; readonly flip: number },
): void {
  const rowWords = columns / 4
  const lineWords = rows / 4
  const count = from.length / rowWords
  const flips = flip * 0x01010101
  for (let block = first; block < last; block += turned) {
    const end = Math.min(last, block + turned)
    for (let row = 0; row < count; row += 4) {
      const to = (rowStart + row) / 4
      for (let column = block; column < end; column += 4) {
        const at = row * rowWords + column / 4
        const [a, b, c, d] = [from[at] ?? 0, from[at + rowWords] ?? 0, from[at + 2 * rowWords] ?? 0, from[at + 3 * rowWords] ?? 0]
        // Pairs of rows: their bytes 0 and 2, and 1 and 3, side by side.
        const [ab0, ab1] = [(a & 0x00ff00ff) | ((b & 0x00ff00ff) << 8), ((a >>> 8) & 0x00ff00ff) | (b & 0xff00ff00)]
        const [cd0, cd1] = [(c & 0x00ff00ff) | ((d & 0x00ff00ff) << 8), ((c >>> 8) & 0x00ff00ff) | (d & 0xff00ff00)]
        const line = (column - first) * lineWords + to
        into[line] = ((ab0 & 0xffff) | (cd0 << 16)) ^ flips
        into[line + lineWords] = ((ab1 & 0xffff) | (cd1 << 16)) ^ flips
        into[line + 2 * lineWords] = ((ab0 >>> 16) | (cd0 & 0xffff0000)) ^ flips
        into[line + 3 * lineWords] = ((ab1 >>> 16) | (cd1 & 0xffff0000)) ^ flips
      }
    }
  }
}
