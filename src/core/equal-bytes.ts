import { signedWordsIn } from './words.ts'

/** Whether two stretches of bytes are the same, four at a time. */
export function equalBytes(one: Uint8Array, other: Uint8Array): boolean {
  const { length } = one
  if (length !== other.length) return false
  const whole = length & ~3
  const [left, right] = [signedWordsIn(one.subarray(0, whole)), signedWordsIn(other.subarray(0, whole))]
  for (let i = 0; i < left.length; i++) if (left[i] !== right[i]) return false
  for (let i = whole; i < length; i++) if (one[i] !== other[i]) return false
  return true
}
