// The 16 scales of a super-block, Q3_K and Q6_K; plain form in ../../reference/ggml/searches.ts.
import { integers, MAGIC, narrowU8 } from './lanes'
import { ZERO_BELOW } from './scratch'
import { floatAt } from './super-block'

/** The value of largest magnitude among 16, the first one; 0 where all are. NaN never is the largest. */
@inline
export function largestOf16(values: usize): f32 {
  const a = f32x4.abs(v128.load(values))
  const b = f32x4.abs(v128.load(values, 16))
  const c = f32x4.abs(v128.load(values, 32))
  const d = f32x4.abs(v128.load(values, 48))
  let most = f32x4.pmax(f32x4.pmax(f32x4.pmax(f32x4.pmax(f32x4.splat(0), a), b), c), d)
  most = f32x4.pmax(most, v128.shuffle<i64>(most, most, 1, 0))
  most = f32x4.pmax(most, v128.shuffle<i32>(most, most, 1, 0, 3, 2))
  if (f32x4.extract_lane(most, 0) == 0) return 0
  const ab = i16x8.narrow_i32x4_s(f32x4.eq(a, most), f32x4.eq(b, most))
  const cd = i16x8.narrow_i32x4_s(f32x4.eq(c, most), f32x4.eq(d, most))
  return floatAt(values, ctz(i8x16.bitmask(i8x16.narrow_i16x8_s(ab, cd))))
}

/** Nearest integers from -limit to limit - 1 as f32, NaN as the lowest; see `nearestCode`. */
@inline
function levels(v: v128, limit: f32): v128 {
  const magic = f32x4.splat(MAGIC)
  const rounded = f32x4.sub(f32x4.add(v, magic), magic)
  return f32x4.pmin(f32x4.splat(limit - 1), f32x4.pmax(f32x4.splat(-limit), rounded))
}

@inline
function codes(values: usize, inverse: v128, limit: f32): v128 {
  return integers(f32x4.add(levels(f32x4.mul(inverse, v128.load(values)), limit), f32x4.splat(limit)))
}

/** Nearest codes of inverse * value, stored from 0 on. */
@inline
export function storeCodes16(values: usize, inverse: f32, limit: f32, to: usize): void {
  const s = f32x4.splat(inverse)
  const all = narrowU8(
    codes(values, s, limit),
    codes(values + 16, s, limit),
    codes(values + 32, s, limit),
    codes(values + 48, s, limit),
  )
  v128.store(to, all)
}

/** Tries in order, in tenths of a code; the last one only fills the lanes. */
const TENTHS: usize = memory.data<f32>([0, -9, -8, -7, -6, -5, -4, -3, -2, -1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9], 16)
const TRIES = 19
const TRY_INVERSES: usize = memory.data(80, 16)
const TRY_PRODUCTS: usize = memory.data(80, 16)
const TRY_SQUARES: usize = memory.data(80, 16)

/** `make_qx_quants` on 16 values, four tries in the lanes, accepted in order. Codes 0 .. 2 limit - 1 as bytes at `to`. */
export function searchSigned16(values: usize, weights: usize, limit: f32, to: usize): f32 {
  const peak = largestOf16(values)
  if (abs(peak) < ZERO_BELOW) {
    v128.store(to, i8x16.splat(0))
    return 0
  }
  for (let t: usize = 0; t < 80; t += 16) {
    const span = f32x4.add(f32x4.splat(limit), f32x4.mul(f32x4.splat(0.1), v128.load(TENTHS + t)))
    const inverse = f32x4.div(f32x4.neg(span), f32x4.splat(peak))
    let product = f32x4.splat(0)
    let square = f32x4.splat(0)
    for (let i: usize = 0; i < 64; i += 4) {
      const x = v128.load32_splat(values + i)
      const weight = v128.load32_splat(weights + i)
      const level = levels(f32x4.mul(inverse, x), limit)
      product = f32x4.add(product, f32x4.mul(f32x4.mul(weight, x), level))
      square = f32x4.add(square, f32x4.mul(f32x4.mul(weight, level), level))
    }
    v128.store(TRY_INVERSES + t, inverse)
    v128.store(TRY_PRODUCTS + t, product)
    v128.store(TRY_SQUARES + t, square)
  }
  let scale: f32 = 0
  let best: f32 = 0
  let kept: f32 = 0
  for (let t = 0; t < TRIES; t++) {
    const product = floatAt(TRY_PRODUCTS, t)
    const square = floatAt(TRY_SQUARES, t)
    if (t == 0 || (square > 0 && product * product > best * square)) {
      scale = square == 0 ? <f32>0 : product / square
      best = scale * product
      kept = floatAt(TRY_INVERSES, t)
    }
  }
  storeCodes16(values, kept, limit, to)
  return scale
}
