/**
 * A sum of products of codes as 8 bits of another step, as TensorFlow Lite's reference kernels do it in whole numbers: `multiplier` is
 * what the step of the sum is of the new one. A factor of 31 bits with a high product that is rounded, then a shift that is rounded.
 */
export function requantize(sum: number, multiplier: number): number {
  if (multiplier === 0) return 0
  const exponent = Math.floor(Math.log2(multiplier)) + 1
  const factor = BigInt(Math.round((multiplier / 2 ** exponent) * 2 ** 31))
  const product = (BigInt(sum) << BigInt(Math.max(exponent, 0))) * factor
  // Truncation towards 0 after a nudge, as C divides.
  const high = (product + (product >= 0n ? 1n << 30n : 1n - (1n << 30n))) / (1n << 31n)
  const shift = BigInt(Math.max(-exponent, 0))
  const mask = (1n << shift) - 1n
  const isUp = (high & mask) > (mask >> 1n) + (high < 0n ? 1n : 0n)
  return Math.min(127, Math.max(-128, Number((high >> shift) + (isUp ? 1n : 0n))))
}
