import { signedWordsIn } from './words.ts'

/** Whether two stretches of bytes are the same: eight words at a time, which takes less than half as long as one by one. */
export function equalBytes(one: Uint8Array, other: Uint8Array): boolean {
  const { length } = one
  if (length !== other.length) return false
  const whole = length & ~3
  const [a, b] = [signedWordsIn(one.subarray(0, whole)), signedWordsIn(other.subarray(0, whole))]
  const eights = a.length & ~7
  for (let i = 0; i < eights; i += 8) {
    const first = differing(a, b, i) | differing(a, b, i + 1) | differing(a, b, i + 2) | differing(a, b, i + 3)
    const second = differing(a, b, i + 4) | differing(a, b, i + 5) | differing(a, b, i + 6) | differing(a, b, i + 7)
    if ((first | second) !== 0) return false
  }
  for (let i = eights; i < a.length; i++) if (differing(a, b, i) !== 0) return false
  for (let i = whole; i < length; i++) if (one[i] !== other[i]) return false
  return true
}

/** Bits of a word that are not the same in both. */
function differing(one: Int32Array, other: Int32Array, at: number): number {
  return (one[at] ?? 0) ^ (other[at] ?? 0)
}
