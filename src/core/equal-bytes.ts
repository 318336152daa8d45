/** Whether two stretches of bytes are the same, four at a time. */
export function equalBytes(one: Uint8Array, other: Uint8Array): boolean {
  const { length } = one
  if (length !== other.length) return false
  const whole = length & ~3
  const [left, right] = [words(one, whole), words(other, whole)]
  for (let i = 0; i < left.length; i++) if (left[i] !== right[i]) return false
  for (let i = whole; i < length; i++) if (one[i] !== other[i]) return false
  return true
}

/** A view where the bytes lie at a multiple of four, else of a copy. */
function words({ buffer, byteOffset }: Uint8Array, length: number): Uint32Array {
  if (byteOffset % 4 === 0) return new Uint32Array(buffer, byteOffset, length / 4)
  return new Uint32Array(buffer.slice(byteOffset, byteOffset + length))
}
