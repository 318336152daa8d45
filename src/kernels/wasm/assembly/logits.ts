// Rows of logits: largest value and softmax sums, in f64; plain form in ../../reference/logits.ts.
import { largestF32 } from './lanes'

/** Index of the largest of count values, the first where several are; -1 when none exceeds -Infinity. */
export function largestLogit(x: usize, count: i32): i32 {
  const whole = count & ~3
  let largest = f32x4.splat(-Infinity)
  for (let i: usize = 0; i < <usize>whole; i += 4) largest = f32x4.pmax(largest, v128.load(x + (i << 2)))
  let most = largestF32(largest)
  for (let i = whole; i < count; i++) {
    const value = load<f32>(x + (<usize>i << 2))
    if (value > most) most = value
  }
  if (most == -Infinity) return -1
  const wanted = f32x4.splat(most)
  for (let i = 0; i < whole; i += 4) {
    const mask = i32x4.bitmask(f32x4.eq(v128.load(x + (<usize>i << 2)), wanted))
    if (mask) return i + ctz(mask)
  }
  for (let i = whole; i < count; i++) if (load<f32>(x + (<usize>i << 2)) == most) return i
  return -1
}

/**
 * e^x for x <= 0 within 3e-13: 2^k by the exponent bits, e^r for |r| <= ln(2) / 2 by its series to the tenth power. Below
 * -708 the result would leave the normal numbers and is 0; NaN stays NaN.
 */
@inline
function exponential(x: v128): v128 {
  const magic = f64x2.splat(6755399441055744.0) // 1.5 * 2^52, as MAGIC in lanes.ts
  const bits = f64x2.add(f64x2.mul(x, f64x2.splat(1.4426950408889634)), magic)
  const k = f64x2.sub(bits, magic)
  // ln 2 in two parts, so that k times the first is exact (Cody and Waite).
  const r = f64x2.sub(f64x2.sub(x, f64x2.mul(k, f64x2.splat(0.693147180369123816490))), f64x2.mul(k, f64x2.splat(1.90821492927058770002e-10)))
  let p = f64x2.splat(1.0 / 3628800.0)
  p = f64x2.add(f64x2.mul(p, r), f64x2.splat(1.0 / 362880.0))
  p = f64x2.add(f64x2.mul(p, r), f64x2.splat(1.0 / 40320.0))
  p = f64x2.add(f64x2.mul(p, r), f64x2.splat(1.0 / 5040.0))
  p = f64x2.add(f64x2.mul(p, r), f64x2.splat(1.0 / 720.0))
  p = f64x2.add(f64x2.mul(p, r), f64x2.splat(1.0 / 120.0))
  p = f64x2.add(f64x2.mul(p, r), f64x2.splat(1.0 / 24.0))
  p = f64x2.add(f64x2.mul(p, r), f64x2.splat(1.0 / 6.0))
  p = f64x2.add(f64x2.mul(p, r), f64x2.splat(0.5))
  p = f64x2.add(f64x2.mul(p, r), f64x2.splat(1.0))
  p = f64x2.add(f64x2.mul(p, r), f64x2.splat(1.0))
  const scaled = i64x2.add(p, i64x2.shl(bits, 52))
  return v128.andnot(scaled, f64x2.lt(x, f64x2.splat(-708.0)))
}

/**
 * Three f64 at `result`: SUM e^(l - floatBase), SUM e^(r - recipeBase), SUM e^(l - floatBase) (l - r), for l at `float` and
 * r at `recipe`. No l exceeds floatBase, no r recipeBase.
 */
export function sumLogits(float: usize, recipe: usize, count: i32, floatBase: f64, recipeBase: f64, result: usize): void {
  const zero = f64x2.splat(0)
  const base0 = f64x2.splat(floatBase)
  const base1 = f64x2.splat(recipeBase)
  let floatSum = zero
  let recipeSum = zero
  let weighted = zero
  for (let i = 0; i < count; i += 2) {
    let l = f64x2.promote_low_f32x4(v128.load64_zero(float + (<usize>i << 2)))
    let r = f64x2.promote_low_f32x4(v128.load64_zero(recipe + (<usize>i << 2)))
    if (i + 1 == count) {
      // The second lane is past the end: -Infinity adds nothing.
      l = f64x2.replace_lane(l, 1, -Infinity)
      r = f64x2.replace_lane(r, 1, -Infinity)
    }
    const e = exponential(f64x2.sub(l, base0))
    floatSum = f64x2.add(floatSum, e)
    recipeSum = f64x2.add(recipeSum, exponential(f64x2.sub(r, base1)))
    weighted = f64x2.add(weighted, v128.andnot(f64x2.mul(e, f64x2.sub(l, r)), f64x2.eq(e, zero)))
  }
  store<f64>(result, f64x2.extract_lane(floatSum, 0) + f64x2.extract_lane(floatSum, 1))
  store<f64>(result, f64x2.extract_lane(recipeSum, 0) + f64x2.extract_lane(recipeSum, 1), 8)
  store<f64>(result, f64x2.extract_lane(weighted, 0) + f64x2.extract_lane(weighted, 1), 16)
}
