/** Words of a line that are read one after the other: those of a line of the cache. */
const atOnce = 16

/** Where the lines of some rows lie among those of all that were read. */
interface LinePlace {
  readonly lineBytes: number
  /** Byte of each line that belongs to the first row. */
  readonly first: number
  readonly columns: number
}

/** Lines across rows as rows, [rows, columns]: how codes of QDQ are read back. Shares no code with what turns them to write them. */
export function linesToRows(lines: Uint8Array<ArrayBuffer>, place: LinePlace, into: Int8Array<ArrayBuffer>): void {
  const { lineBytes, first, columns } = place
  const rows = into.length / columns
  if ([lineBytes, first, columns, rows, lines.byteOffset, into.byteOffset].every((each) => each % 4 === 0)) {
    wholeToRows(
      new Int32Array(lines.buffer, lines.byteOffset, lines.length / 4),
      place,
      new Int32Array(into.buffer, into.byteOffset, into.length / 4),
    )
    return
  }
  for (let block = 0; block < rows; block += atOnce) {
    const end = Math.min(rows, block + atOnce)
    for (let column = 0; column < columns; column++) {
      for (let row = block; row < end; row++) into[row * columns + column] = lines[column * lineBytes + first + row] ?? 0
    }
  }
}

/** Four lines and four rows at a time, as words. */
function wholeToRows(lines: Int32Array, { lineBytes, first, columns }: LinePlace, into: Int32Array): void {
  const [lineWords, rowWords] = [lineBytes / 4, columns / 4]
  const count = into.length / columns
  for (let block = 0; block < count; block += atOnce) {
    const end = Math.min(count, block + atOnce)
    for (let column = 0; column < columns; column += 4) {
      let at = column * lineWords + first / 4 + block
      let to = block * columns + column / 4
      for (let word = block; word < end; word++, at++, to += columns) {
        const [a, b] = [lines[at] ?? 0, lines[at + lineWords] ?? 0]
        const [c, d] = [lines[at + 2 * lineWords] ?? 0, lines[at + 3 * lineWords] ?? 0]
        into[to] = (a & 0xff) | ((b & 0xff) << 8) | ((c & 0xff) << 16) | (d << 24)
        into[to + rowWords] = ((a >>> 8) & 0xff) | (b & 0xff00) | ((c & 0xff00) << 8) | ((d & 0xff00) << 16)
        into[to + 2 * rowWords] = ((a >>> 16) & 0xff) | ((b >>> 8) & 0xff00) | (c & 0xff0000) | ((d & 0xff0000) << 8)
        into[to + 3 * rowWords] = (a >>> 24) | ((b >>> 16) & 0xff00) | ((c >>> 8) & 0xff0000) | (d & 0xff000000)
      }
    }
  }
}
