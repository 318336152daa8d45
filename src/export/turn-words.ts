/** Rows and words of a block: its rows lie in the cache while they are read word by word. */
const block = 16

/**
 * Turns rows of words into lines across them: `into[(word - firstWord) * rows + rowStart + row]` becomes `from[row * words + word]`
 * for words [firstWord, lastWord) of each row. `rows` are those of the whole matrix.
 */
export function turnWords(
  from: Int32Array,
  { words, firstWord, lastWord }: { readonly words: number; readonly firstWord: number; readonly lastWord: number },
  into: Int32Array,
  { rows, rowStart }: { readonly rows: number; readonly rowStart: number },
): void {
  const count = from.length / words
  for (let blockWord = firstWord; blockWord < lastWord; blockWord += block) {
    const wordEnd = Math.min(lastWord, blockWord + block)
    for (let blockRow = 0; blockRow < count; blockRow += block) {
      const rowEnd = Math.min(count, blockRow + block)
      for (let word = blockWord; word < wordEnd; word++) {
        const to = (word - firstWord) * rows + rowStart
        for (let row = blockRow, at = blockRow * words + word; row < rowEnd; row++, at += words) into[to + row] = from[at] ?? 0
      }
    }
  }
}
