/**
 * Rounding as the formats write it. `Math.round` is none of these: it sends halves towards +infinity.
 */

/** Nearest integer, ties to even: IEEE 754 `roundToIntegralTiesToEven`, torch.round, ggml's `nearest_int`. */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value)
  const fraction = value - floor
  if (fraction < 0.5) return floor
  if (fraction > 0.5) return floor + 1
  return floor % 2 === 0 ? floor : floor + 1
}

/** Nearest integer, ties away from zero: C's `roundf`, used by Q8_0. */
export function roundHalfAway(value: number): number {
  const whole = Math.trunc(value)
  // Comparing the remainder avoids |x| + 0.5, which is wrong for the largest double below one half.
  return Math.abs(value - whole) >= 0.5 ? whole + Math.sign(value) : whole
}

/** C's `(int)(value + offset + 0.5f)` in f32, as ggml's legacy types round: truncation after one f32 addition. */
export function truncPlusHalf(value: number, offset = 0): number {
  return Math.trunc(Math.fround(Math.fround(value) + (offset + 0.5)))
}
