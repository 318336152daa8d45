// Steps that the K types share; plain form in ../../reference/ggml/{searches,k-blocks}.ts.
import { halfBits } from './half'
import { narrowU8, nearestInt, nearestInts } from './lanes'
import { CODES, INVERSES, ORIGINS, ZERO_BELOW } from './scratch'

@inline
export function floatAt(p: usize, i: i32): f32 {
  return load<f32>(p + (<usize>i << 2))
}

/** Bits of the nearest half; a NaN as 0x7e00, whatever its sign. */
@inline
export function scaleBits(v: f32): u16 {
  return v == v ? <u16>halfBits(v) : 0x7e00
}

/** Largest of count values, at least 0. */
@inline
export function largestOf(values: usize, count: i32): f32 {
  let largest: f32 = 0
  for (let i = 0; i < count; i++) {
    const value = floatAt(values, i)
    if (value > largest) largest = value
  }
  return largest
}

/** The value of largest magnitude, the first one. */
@inline
export function largestSigned(values: usize, count: i32): f32 {
  let largest: f32 = 0
  for (let i = 0; i < count; i++) {
    const value = floatAt(values, i)
    if (abs(value) > abs(largest)) largest = value
  }
  return largest
}

/** Four codes of (x + minimum) / scale. A reciprocal would change bytes. */
@inline
function quotient(x: usize, minimum: v128, scale: v128, low: v128, high: v128): v128 {
  return i32x4.sub(nearestInts(f32x4.div(f32x4.add(v128.load(x), minimum), scale), low, high), low)
}

/** 16 codes of (x + minimum) / scale, bounds as i32, stored from 0 on. */
@inline
function quotients(x: usize, minimum: v128, scale: v128, low: v128, high: v128): v128 {
  return narrowU8(
    quotient(x, minimum, scale, low, high),
    quotient(x + 16, minimum, scale, low, high),
    quotient(x + 32, minimum, scale, low, high),
    quotient(x + 48, minimum, scale, low, high),
  )
}

@inline
function product(x: usize, origin: v128, inverse: v128, low: v128, high: v128, add: v128): v128 {
  return i32x4.add(nearestInts(f32x4.mul(inverse, f32x4.sub(v128.load(x), origin)), low, high), add)
}

/** 16 codes of inverse * (x - origin), bounds as i32, `add` added. */
@inline
export function products(x: usize, origin: v128, inverse: v128, low: v128, high: v128, add: v128): v128 {
  return narrowU8(
    product(x, origin, inverse, low, high, add),
    product(x + 16, origin, inverse, low, high, add),
    product(x + 32, origin, inverse, low, high, add),
    product(x + 48, origin, inverse, low, high, add),
  )
}

/**
 * Codes low .. high, stored from 0 on, of sub-block j of `size` elements at x: with its scale and minimum as stored, or where
 * that scale is 0 as the search found them. A sub-block without a search result has inverse 0 and keeps codes of 0.
 */
@inline
export function requantize(x: usize, j: i32, size: i32, scale: f32, minimum: f32, low: f32, high: f32): void {
  const to = CODES + <usize>(j * size)
  if (scale != 0) {
    const s = f32x4.splat(scale)
    const m = f32x4.splat(minimum)
    const lowest = i32x4.splat(<i32>low)
    const highest = i32x4.splat(<i32>high)
    for (let i: usize = 0; i < <usize>size; i += 16) v128.store(to + i, quotients(x + (i << 2), m, s, lowest, highest))
  } else {
    const inverse = floatAt(INVERSES, j)
    const s = f32x4.splat(inverse)
    const m = f32x4.splat(low == 0 ? floatAt(ORIGINS, j) : 0)
    const lowest = i32x4.splat(<i32>low)
    const highest = i32x4.splat(<i32>high)
    const add = i32x4.splat(inverse == 0 ? 0 : -(<i32>low))
    for (let i: usize = 0; i < <usize>size; i += 16) v128.store(to + i, products(x + (i << 2), m, s, lowest, highest, add))
  }
}

/** `make_qp_quants`: values ~ scale * code, codes 0 .. largestCode as bytes at `codes`, which wrap as they do in C. */
export function searchPositive(values: usize, weights: usize, count: i32, largestCode: i32, codes: usize): f32 {
  const largest = largestOf(values, count)
  memory.fill(codes, 0, count)
  if (largest < ZERO_BELOW) return 0
  let inverse: f32 = <f32>largestCode / largest
  let best: f32 = 0
  let scale: f32 = <f32>1 / inverse
  for (let i = 0; i < count; i++) {
    const x = floatAt(values, i)
    const off: f32 = x - scale * <f32>(nearestInt(inverse * x) & 255)
    best += floatAt(weights, i) * off * off
  }
  for (let step = -4; step <= 4; step++) {
    if (step == 0) continue
    const tried: f32 = (<f32>0.1 * <f32>step + <f32>largestCode) / largest
    scale = <f32>1 / tried
    let error: f32 = 0
    for (let i = 0; i < count; i++) {
      const x = floatAt(values, i)
      const off: f32 = x - scale * <f32>min(largestCode, nearestInt(tried * x))
      error += floatAt(weights, i) * off * off
    }
    if (error < best) {
      best = error
      inverse = tried
    }
  }
  let product: f32 = 0
  let square: f32 = 0
  for (let i = 0; i < count; i++) {
    const weight = floatAt(weights, i)
    const x = floatAt(values, i)
    const code = min(largestCode, nearestInt(inverse * x))
    store<u8>(codes + i, code)
    product += weight * x * <f32>code
    square += weight * <f32>code * <f32>code
  }
  for (let sweep = 0; sweep < 5; sweep++) {
    let hasChanged = false
    for (let i = 0; i < count; i++) {
      const weight = floatAt(weights, i)
      const x = floatAt(values, i)
      const code = <i32>load<u8>(codes + i)
      let otherProduct: f32 = product - weight * x * <f32>code
      let otherSquare: f32 = square - weight * <f32>code * <f32>code
      if (!(otherProduct > 0 && otherSquare > 0)) continue
      const next = min(largestCode, nearestInt((x * otherSquare) / otherProduct))
      if (next == code) continue
      otherProduct += weight * x * <f32>next
      otherSquare += weight * <f32>next * <f32>next
      if (otherProduct * otherProduct * square > product * product * otherSquare) {
        store<u8>(codes + i, next)
        product = otherProduct
        square = otherSquare
        hasChanged = true
      }
    }
    if (!hasChanged) break
  }
  return square > 0 ? product / square : 0
}

/** 256 codes of 2 bits from CODES; see `writeQuarters` of the reference. */
@inline
export function packQuarters(to: usize): void {
  for (let half: usize = 0; half < 2; half++) {
    for (let l: usize = 0; l < 32; l += 16) {
      const p = CODES + half * 128 + l
      const low = v128.or(v128.load(p), i16x8.shl(v128.load(p, 32), 2))
      const high = v128.or(i16x8.shl(v128.load(p, 64), 4), i16x8.shl(v128.load(p, 96), 6))
      v128.store(to + half * 32 + l, v128.or(low, high))
    }
  }
}

/** Codes of 2 bits of the 16 elements from 16 j on. */
@inline
export function quarters(from: usize, j: i32): v128 {
  const bytes = v128.load(from + <usize>(32 * (j >> 3) + 16 * (j & 1)))
  return v128.and(i8x16.shr_u(bytes, 2 * ((j >> 1) & 3)), i8x16.splat(3))
}
