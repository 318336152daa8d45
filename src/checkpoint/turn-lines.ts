/** Lines, and rows, that are turned at a time: lines lie pages apart, of which the processor knows the places of few. */
const block = 32

/** Words [first, first + count) of every line. */
export interface LineWords {
  /** Words of a line. */
  readonly lineWords: number
  readonly first: number
  readonly count: number
}

/**
 * Puts words of lines row by row: a row has one word of every line, in the order of the lines. `count` rows go one behind the other to
 * `rows[to]` and on.
 */
export function turnLines(lines: Int32Array, { lineWords, first, count }: LineWords, rows: Int32Array, to: number): void {
  const rowWords = lines.length / lineWords
  for (let blockLine = 0; blockLine < rowWords; blockLine += block) {
    const lineEnd = Math.min(rowWords, blockLine + block)
    for (let blockRow = 0; blockRow < count; blockRow += block) {
      const rowCount = Math.min(block, count - blockRow)
      let line = blockLine
      // Four lines at a time: that is four words of a row one after the other.
      for (; line + 4 <= lineEnd; line += 4) {
        const one = line * lineWords + first + blockRow
        const [two, three, four] = [one + lineWords, one + 2 * lineWords, one + 3 * lineWords]
        for (let row = 0, at = to + blockRow * rowWords + line; row < rowCount; row++, at += rowWords) {
          rows[at] = lines[one + row] ?? 0
          rows[at + 1] = lines[two + row] ?? 0
          rows[at + 2] = lines[three + row] ?? 0
          rows[at + 3] = lines[four + row] ?? 0
        }
      }
      for (; line < lineEnd; line++) {
        const from = line * lineWords + first + blockRow
        for (let row = 0, at = to + blockRow * rowWords + line; row < rowCount; row++, at += rowWords) rows[at] = lines[from + row] ?? 0
      }
    }
  }
}

/** The bits of floats as words, in place: bits are moved faster so, and a NaN stays as it is. */
export function wordsOfFloats({ buffer, byteOffset, length }: Float32Array): Int32Array {
  return new Int32Array(buffer, byteOffset, length)
}
