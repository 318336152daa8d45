/** Where a row of codes begins in a bit stream, how wide its codes are, and how many there are. */
export interface CodeRow {
  /** In bytes: rows begin at whole bytes. */
  readonly at: number
  /** 1 to 8. */
  readonly bits: number
  readonly columns: number
}

/** Codes of a row as the kernels store them, least significant bit first, into one byte each. */
export function unpackRow(codes: Uint8Array, { at, bits, columns }: CodeRow, into: Uint8Array): void {
  if (bits === 8) {
    into.set(codes.subarray(at, at + columns))
    return
  }
  const mask = (1 << bits) - 1
  for (let column = 0, from = at, held = 0, count = 0; column < columns; column++, held >>= bits, count -= bits) {
    if (count < bits) {
      held |= (codes[from++] ?? 0) << count
      count += 8
    }
    into[column] = held & mask
  }
}
