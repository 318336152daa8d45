// Code books of 16 values; the rule is at `CodeBookParams`, the plain form in ../../reference/codebook.ts.
import { INFINITY_BITS, largestU32, magnitudeBits, narrowU8 } from './lanes'

/** The floor of a divisor: 1e-38 as f32. */
const SMALLEST_DIVISOR: f32 = 1e-38

/** Bits of the largest magnitude of `bytes` / 4 weights, a multiple of 32. */
@inline
function largestBits(x: usize, bytes: usize): u32 {
  let a = magnitudeBits(v128.load(x))
  let b = magnitudeBits(v128.load(x, 16))
  for (let p = x + 32; p < x + bytes; p += 32) {
    a = i32x4.max_u(a, magnitudeBits(v128.load(p)))
    b = i32x4.max_u(b, magnitudeBits(v128.load(p, 16)))
  }
  return largestU32(i32x4.max_u(a, b))
}

/** How many of the 15 midpoints lie below each of 16 values, as bytes; comparisons are -1 where they hold. */
@inline
function ranks(a: v128, b: v128, c: v128, d: v128, midpoints: usize): v128 {
  let m = v128.load32_splat(midpoints)
  let countA = f32x4.gt(a, m)
  let countB = f32x4.gt(b, m)
  let countC = f32x4.gt(c, m)
  let countD = f32x4.gt(d, m)
  for (let i: usize = 4; i < 60; i += 4) {
    m = v128.load32_splat(midpoints + i)
    countA = i32x4.add(countA, f32x4.gt(a, m))
    countB = i32x4.add(countB, f32x4.gt(b, m))
    countC = i32x4.add(countC, f32x4.gt(c, m))
    countD = i32x4.add(countD, f32x4.gt(d, m))
  }
  return narrowU8(i32x4.neg(countA), i32x4.neg(countB), i32x4.neg(countC), i32x4.neg(countD))
}

/** Two codes to a byte, the first in the high bits, in the low byte of each 16-bit lane. */
@inline
function pairs(codes: v128): v128 {
  return v128.or(v128.and(i16x8.shl(codes, 4), i16x8.splat(0xf0)), i16x8.shr_u(codes, 8))
}

/** Codes of `bytes` / 4 weights, a multiple of 32; each is multiplied by `factor`, or divided by it when isShort. */
@inline
function encode(x: usize, bytes: usize, factor: f32, isShort: bool, midpoints: usize, order: v128, codes: usize): void {
  const by = f32x4.splat(factor)
  let to = codes
  for (let p = x; p < x + bytes; p += 128, to += 16) {
    let low: v128
    let high: v128
    if (isShort) {
      low = ranks(f32x4.div(v128.load(p), by), f32x4.div(v128.load(p, 16), by), f32x4.div(v128.load(p, 32), by), f32x4.div(v128.load(p, 48), by), midpoints)
      high = ranks(f32x4.div(v128.load(p, 64), by), f32x4.div(v128.load(p, 80), by), f32x4.div(v128.load(p, 96), by), f32x4.div(v128.load(p, 112), by), midpoints)
    } else {
      low = ranks(f32x4.mul(v128.load(p), by), f32x4.mul(v128.load(p, 16), by), f32x4.mul(v128.load(p, 32), by), f32x4.mul(v128.load(p, 48), by), midpoints)
      high = ranks(f32x4.mul(v128.load(p, 64), by), f32x4.mul(v128.load(p, 80), by), f32x4.mul(v128.load(p, 96), by), f32x4.mul(v128.load(p, 112), by), midpoints)
    }
    v128.store(to, i8x16.narrow_i16x8_u(pairs(i8x16.swizzle(order, low)), pairs(i8x16.swizzle(order, high))))
  }
}

/**
 * Codes and scales of count weights at x in blocks of `blockSize`; `midpoints` 15 f32, `order` 16 codes by ascending value.
 * `shortBlock` has room for one block of zeros, in which a short last one is completed. Writes up to 15 bytes past the codes.
 * Returns 1 when a weight is not finite.
 */
export function quantizeCodeBook(
  x: usize, count: i32, blockSize: i32, midpoints: usize, order: usize, codes: usize, scales: usize, shortBlock: usize,
): i32 {
  const bytes = <usize>blockSize << 2
  const byRank = v128.load(order)
  let scaleAt = scales
  let to = codes
  let p = x
  for (const end = x + (<usize>(count & -blockSize) << 2); p < end; p += bytes) {
    const largest = largestBits(p, bytes)
    if (largest >= INFINITY_BITS) return 1
    const scale = reinterpret<f32>(largest)
    store<f32>(scaleAt, scale)
    encode(p, bytes, <f32>1 / max(scale, SMALLEST_DIVISOR), false, midpoints, byRank, to)
    scaleAt += 4
    to += <usize>blockSize >> 1
  }
  const rest = <usize>(count & (blockSize - 1)) << 2
  if (rest == 0) return 0
  memory.copy(shortBlock, p, rest)
  const whole = (rest + 127) & ~127
  const largest = largestBits(shortBlock, whole)
  if (largest >= INFINITY_BITS) return 1
  const scale = max(reinterpret<f32>(largest), SMALLEST_DIVISOR)
  store<f32>(scaleAt, scale)
  encode(shortBlock, whole, scale, true, midpoints, byRank, to)
  return 0
}

/**
 * Values of count codes; `planes` holds the values' bytes, the lowest of all 16 first. Writes up to 31 values past the end.
 */
export function dequantizeCodeBook(codes: usize, scales: usize, count: i32, blockSize: i32, planes: usize, values: usize): void {
  const plane0 = v128.load(planes)
  const plane1 = v128.load(planes, 16)
  const plane2 = v128.load(planes, 32)
  const plane3 = v128.load(planes, 48)
  const low4 = i8x16.splat(15)
  let from = codes
  let scaleAt = scales
  let to = values
  for (let start = 0; start < count; start += blockSize, scaleAt += 4) {
    const scale = v128.load32_splat(scaleAt)
    for (const end = to + (<usize>min(blockSize, count - start) << 2); to < end; from += 8, to += 64) {
      const packed = v128.load64_zero(from)
      const high = v128.and(i8x16.shr_u(packed, 4), low4)
      const index = v128.shuffle<u8>(high, v128.and(packed, low4), 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
      const b0 = i8x16.swizzle(plane0, index)
      const b1 = i8x16.swizzle(plane1, index)
      const b2 = i8x16.swizzle(plane2, index)
      const b3 = i8x16.swizzle(plane3, index)
      const h0 = v128.shuffle<u8>(b0, b1, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
      const h1 = v128.shuffle<u8>(b0, b1, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
      const h2 = v128.shuffle<u8>(b2, b3, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
      const h3 = v128.shuffle<u8>(b2, b3, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
      v128.store(to, f32x4.mul(scale, v128.shuffle<u16>(h0, h2, 0, 8, 1, 9, 2, 10, 3, 11)))
      v128.store(to, f32x4.mul(scale, v128.shuffle<u16>(h0, h2, 4, 12, 5, 13, 6, 14, 7, 15)), 16)
      v128.store(to, f32x4.mul(scale, v128.shuffle<u16>(h1, h3, 0, 8, 1, 9, 2, 10, 3, 11)), 32)
      v128.store(to, f32x4.mul(scale, v128.shuffle<u16>(h1, h3, 4, 12, 5, 13, 6, 14, 7, 15)), 48)
    }
  }
}
