// Small steps on vectors that several kernels share. f32x4.pmin and pmax are one instruction on x86 where min and max are
// several: pmin(a, b) = b < a ? b : a, so `a` stays on ties and when b is NaN.

/** 1.5 * 2^23: adding it rounds an f32 below 2^22 to an integer, ties to even, and leaves that integer in the low bits. */
export const MAGIC: f32 = 12582912.0
export const MAGIC_BITS: i32 = 0x4b400000

/** Bits of infinity: |x| is finite when its bits are below. */
export const INFINITY_BITS: u32 = 0x7f800000

@inline
export function magnitudeBits(v: v128): v128 {
  return v128.and(v, i32x4.splat(0x7fffffff))
}

@inline
export function largestU32(v: v128): u32 {
  let m = i32x4.max_u(v, v128.shuffle<i64>(v, v, 1, 0))
  m = i32x4.max_u(m, v128.shuffle<i32>(m, m, 1, 0, 3, 2))
  return <u32>i32x4.extract_lane(m, 0)
}

@inline
export function largestF32(v: v128): f32 {
  let m = f32x4.pmax(v, v128.shuffle<i64>(v, v, 1, 0))
  m = f32x4.pmax(m, v128.shuffle<i32>(m, m, 1, 0, 3, 2))
  return f32x4.extract_lane(m, 0)
}

@inline
export function smallestF32(v: v128): f32 {
  let m = f32x4.pmin(v, v128.shuffle<i64>(v, v, 1, 0))
  m = f32x4.pmin(m, v128.shuffle<i32>(m, m, 1, 0, 3, 2))
  return f32x4.extract_lane(m, 0)
}

/** What `findSigned` found: bits of the largest magnitude among the positive and among the negative elements, 0 where there is none. */
export let largestPositive: u32 = 0
export let largestNegative: u32 = 0

/**
 * Over 32 elements. As integers positive floats are in their order and above all negative ones, as unsigned integers it is the
 * other way round: two maxima, in which infinity and NaN show as well.
 */
@inline
export function findSigned(x: usize): void {
  let high = v128.load(x)
  let low = high
  for (let i: usize = 16; i < 128; i += 16) {
    const v = v128.load(x + i)
    high = i32x4.max_s(high, v)
    low = i32x4.max_u(low, v)
  }
  high = i32x4.max_s(high, v128.shuffle<i64>(high, high, 1, 0))
  high = i32x4.max_s(high, v128.shuffle<i32>(high, high, 1, 0, 3, 2))
  const most = i32x4.extract_lane(high, 0)
  const least = <i32>largestU32(low)
  largestPositive = most & ~(most >> 31)
  largestNegative = least & (least >> 31) & 0x7fffffff
}

/** Four vectors of i32 in 0..255 as 16 bytes. */
@inline
export function narrowU8(a: v128, b: v128, c: v128, d: v128): v128 {
  return i8x16.narrow_i16x8_u(i16x8.narrow_i32x4_s(a, b), i16x8.narrow_i32x4_s(c, d))
}

/** Four vectors of i32 in -128..127 as 16 bytes. */
@inline
export function narrowS8(a: v128, b: v128, c: v128, d: v128): v128 {
  return i8x16.narrow_i16x8_s(i16x8.narrow_i32x4_s(a, b), i16x8.narrow_i32x4_s(c, d))
}

/** Integers held in f32 below 2^22 as i32. */
@inline
export function integers(v: v128): v128 {
  return i32x4.sub(f32x4.add(v, f32x4.splat(MAGIC)), i32x4.splat(MAGIC_BITS))
}

/** 1 when one of count values is not finite. */
export function hasNonFinite(x: usize, count: i32): bool {
  let bits = i32x4.splat(0)
  let i: usize = 0
  for (; i < <usize>(count & ~3); i += 4) bits = i32x4.max_u(bits, magnitudeBits(v128.load(x + (i << 2))))
  let largest = largestU32(bits)
  for (; i < <usize>count; i++) largest = max(largest, load<u32>(x + (i << 2)) & 0x7fffffff)
  return largest >= INFINITY_BITS
}

/** `nearest_int` of ggml: nearest integer, ties to even, of |v| below 2^22. */
@inline
export function nearestInt(v: f32): i32 {
  return (reinterpret<i32>(v + MAGIC) & 0x7fffff) - 0x400000
}

/** Nearest integer within bounds, NaN as the lower one; see `nearestCode` of the reference. */
@inline
export function nearestCode(v: f32, low: f32, high: f32): i32 {
  const rounded: f32 = v + MAGIC - MAGIC
  const atLeast = rounded > low ? rounded : low
  return <i32>(atLeast < high ? atLeast : high)
}

/** `nearest_int` of ggml on four values, within bounds. */
@inline
export function nearestInts(v: v128, low: v128, high: v128): v128 {
  const bits = v128.and(f32x4.add(v, f32x4.splat(MAGIC)), i32x4.splat(0x7fffff))
  return i32x4.min_s(high, i32x4.max_s(low, i32x4.sub(bits, i32x4.splat(0x400000))))
}

/** 16 signed bytes times a scale as 16 floats. */
@inline
export function storeScaled(values: usize, codes: v128, scale: v128): void {
  const low = i16x8.extend_low_i8x16_s(codes)
  const high = i16x8.extend_high_i8x16_s(codes)
  v128.store(values, f32x4.mul(scale, f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(low))))
  v128.store(values, f32x4.mul(scale, f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(low))), 16)
  v128.store(values, f32x4.mul(scale, f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(high))), 32)
  v128.store(values, f32x4.mul(scale, f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(high))), 48)
}

/** 16 bytes times a scale plus an offset as 16 floats. */
@inline
export function storeAffine(values: usize, codes: v128, scale: v128, offset: v128): void {
  const low = i16x8.extend_low_i8x16_u(codes)
  const high = i16x8.extend_high_i8x16_u(codes)
  v128.store(values, f32x4.add(f32x4.mul(scale, f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(low))), offset))
  v128.store(values, f32x4.add(f32x4.mul(scale, f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_u(low))), offset), 16)
  v128.store(values, f32x4.add(f32x4.mul(scale, f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(high))), offset), 32)
  v128.store(values, f32x4.add(f32x4.mul(scale, f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_u(high))), offset), 48)
}

/** 1 / scale, 0 where that is not finite; see `inverseScale` of the reference. */
@inline
export function inverseScale(scale: f32): f32 {
  const inverse: f32 = <f32>1 / scale
  return abs(inverse) <= f32.MAX_VALUE ? inverse : <f32>0
}

/** A mask of the first `count` of four lanes. */
@inline
export function firstLanes(count: i32): v128 {
  return i32x4.lt_s(i32x4(0, 1, 2, 3), i32x4.splat(count))
}

/** (0 + 1) + (2 + 3). */
@inline
export function sumLanes(v: v128): f32 {
  const low: f32 = f32x4.extract_lane(v, 0) + f32x4.extract_lane(v, 1)
  const high: f32 = f32x4.extract_lane(v, 2) + f32x4.extract_lane(v, 3)
  return low + high
}
