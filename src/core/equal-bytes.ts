/** Whether two stretches of bytes are the same, four at a time. */
export function equalBytes(one: Uint8Array, other: Uint8Array): boolean {
  const { length } = one
  if (length !== other.length) return false
  const whole = length & ~3
  const [left, right] = [wordsOf(one, whole), wordsOf(other, whole)]
  for (let i = 0; i < left.length; i++) if (left[i] !== right[i]) return false
  for (let i = whole; i < length; i++) if (one[i] !== other[i]) return false
  return true
}

/** The first `length` bytes, a multiple of four, as words: a view where they lie at a multiple of four, else of a copy. */
export function wordsOf({ buffer, byteOffset }: Uint8Array, length: number): Uint32Array {
  if (byteOffset % 4 === 0) return new Uint32Array(buffer, byteOffset, length / 4)
  return new Uint32Array(buffer.slice(byteOffset, byteOffset + length))
}
