// MXFP4 and NVFP4; plain form in ../../reference/ggml/fp4.ts.
import { INFINITY_BITS, largestU32, magnitudeBits, narrowU8, storeScaled } from './lanes'
import { CODES } from './scratch'

/** Bits of 2^20: NVFP4 scales end at 448, so from here on distances are not exact. */
const DISTANT_BITS: u32 = 0x49800000
/** MXFP4 exponent from which 12 times the scale overflows, and below which 1 / scale does. */
const LARGE_EXPONENT: i32 = 253
const SMALL_EXPONENT: i32 = 2

/** Codes of four elements as i32: how many midpoints of the scale |x| exceeds, and 8 for a negative one that is not 0. */
@inline
function codes(x: usize, scale: f32): v128 {
  const v = v128.load(x)
  const magnitude = f32x4.abs(v)
  let count = f32x4.gt(magnitude, f32x4.splat(<f32>0.5 * scale))
  const sign = v128.and(i32x4.shr_u(v, 28), v128.and(count, i32x4.splat(8)))
  count = i32x4.add(count, f32x4.gt(magnitude, f32x4.splat(<f32>1.5 * scale)))
  count = i32x4.add(count, f32x4.gt(magnitude, f32x4.splat(<f32>2.5 * scale)))
  count = i32x4.add(count, f32x4.gt(magnitude, f32x4.splat(<f32>3.5 * scale)))
  count = i32x4.add(count, f32x4.gt(magnitude, f32x4.splat(<f32>5 * scale)))
  count = i32x4.add(count, f32x4.gt(magnitude, f32x4.splat(<f32>7 * scale)))
  count = i32x4.add(count, f32x4.gt(magnitude, f32x4.splat(<f32>10 * scale)))
  return i32x4.sub(sign, count)
}

@inline
function codes16(x: usize, scale: f32): v128 {
  return narrowU8(codes(x, scale), codes(x + 16, scale), codes(x + 32, scale), codes(x + 48, scale))
}

/**
 * Bits 16 .. 31 of the magnitudes of eight elements times `inverse`, a power of two, the bits below rounded up: an element is
 * beyond a level or a midpoint, which have no bits below, when these 16 bits are.
 */
@inline
function roundedBits(x: usize, inverse: v128): v128 {
  const more = i32x4.splat(0xffff)
  const low = i32x4.shr_u(i32x4.add(magnitudeBits(f32x4.mul(v128.load(x), inverse)), more), 16)
  const high = i32x4.shr_u(i32x4.add(magnitudeBits(f32x4.mul(v128.load(x, 16), inverse)), more), 16)
  return i16x8.narrow_i32x4_s(low, high)
}

/** Bits 16 .. 31 of the midpoints 0.5 and 1.5. */
const HALF_BITS: i16 = 0x3f00
const THREE_HALVES_BITS: i16 = 0x3fc0

/**
 * Codes of eight elements as i16. From 2 on levels are the floats of one bit of mantissa, so the code is a rounding of the bits,
 * halves down; below they are 0, 1 and 2. 8 is added for a negative one that is not 0.
 */
@inline
function floatCodes(x: usize, inverse: v128): v128 {
  const bits = roundedBits(x, inverse)
  const isOne = i16x8.gt_s(bits, i16x8.splat(HALF_BITS))
  const small = i16x8.add(isOne, i16x8.gt_s(bits, i16x8.splat(THREE_HALVES_BITS)))
  const large = i16x8.sub(i16x8.shr_u(i16x8.add(bits, i16x8.splat(0x1f)), 6), i16x8.splat(254))
  const isNegative = i16x8.shr_s(i16x8.narrow_i32x4_s(v128.load(x), v128.load(x, 16)), 15)
  const sign = v128.and(v128.and(isNegative, isOne), i16x8.splat(8))
  return v128.or(sign, i16x8.max_s(i16x8.min_s(large, i16x8.splat(7)), i16x8.neg(small)))
}

@inline
function floatCodes16(x: usize, inverse: v128): v128 {
  return i8x16.narrow_i16x8_u(floatCodes(x, inverse), floatCodes(x + 32, inverse))
}

/** Levels in the order of their codes. */
const levels: usize = memory.data<f32>([0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12], 16)

/**
 * As codes16 where magnitudes are so far beyond the scale, or the scale so large, that distances round or overflow: the least
 * distance in f32, of equal ones the first, as libggml takes it.
 */
function distantCodes16(x: usize, scale: f32): v128 {
  for (let i: usize = 0; i < 16; i++) {
    const value = load<f32>(x + (i << 2))
    let least: f32 = Infinity
    let nearest: usize = 0
    for (let code: usize = 0; code < 16; code++) {
      const distance: f32 = abs(load<f32>(levels + (code << 2)) * scale - value)
      if (distance < least) {
        least = distance
        nearest = code
      }
    }
    store<u8>(CODES + i, <u8>nearest)
  }
  return v128.load(CODES)
}

/** Bits of the largest magnitude of `bytes` / 4 elements. */
@inline
function largestBits(x: usize, bytes: usize): u32 {
  let bits = magnitudeBits(v128.load(x))
  for (let i: usize = 16; i < bytes; i += 16) bits = i32x4.max_u(bits, magnitudeBits(v128.load(x + i)))
  return largestU32(bits)
}

/**
 * floor(log2f(v)) + 127 for a normal v. log2f gives the whole number for a v a few ulps below a power of two 2^n, when what is
 * missing, ulps * log2(e) * 2^-24, is less than half of the distance of floats beside n.
 */
@inline
function exponentOf(bits: u32): i32 {
  const exponent = <i32>(bits >> 23)
  const next = exponent - 126
  const magnitude = next > 0 ? next - 1 : -next
  if (magnitude == 0) return exponent
  const missing = <f64>(0x800000 - (bits & 0x7fffff)) * 1.4426950408889634
  return missing < <f64>(1 << (31 - clz(magnitude))) ? exponent + 1 : exponent
}

/** 2^(e - 128). */
@inline
function scaleOf(e: u32): f32 {
  return reinterpret<f32>(e >= 2 ? (e - 1) << 23 : <u32>0x00200000 << e)
}

@inline
function mxCodes16(x: usize, e: i32): v128 {
  if (e >= LARGE_EXPONENT) return distantCodes16(x, scaleOf(e))
  if (e < SMALL_EXPONENT) return codes16(x, scaleOf(e))
  return floatCodes16(x, f32x4.splat(reinterpret<f32>((255 - e) << 23))) // 2^(128 - e)
}

export function encodeMXFP4(x: usize, count: i32, to: usize): i32 {
  let y = to
  for (const end = x + (<usize>count << 2); x < end; x += 128) {
    const largest = largestBits(x, 128)
    if (largest >= INFINITY_BITS) return 1
    const e = max(0, exponentOf(largest) - 2)
    store<u8>(y, e)
    const low = mxCodes16(x, e)
    const high = mxCodes16(x + 64, e)
    v128.store(y, v128.or(low, i16x8.shl(high, 4)), 1)
    y += 17
  }
  return 0
}

/** Unsigned E4M3; see `unsignedE4m3` of the reference. */
@inline
function unsignedE4m3(v: f32): u32 {
  if (!(v > 0)) return 0
  const bits = reinterpret<u32>(min(v, 448))
  if (bits >> 23 < 121) return min(7, <u32>(v * 512 + <f32>0.5))
  const rounded = bits + 0x80000
  const exponent = (rounded >> 23) - 120
  return exponent >= 15 ? 126 : exponent * 8 + ((rounded >> 20) & 7)
}

/** Half of the value of an unsigned E4M3: the levels are doubled. */
@inline
function halvedE4m3(code: u32): f32 {
  if (code == 0 || code == 127) return 0
  const exponent = (code >> 3) & 15
  const mantissa = code & 7
  const value: f32 = exponent == 0 ? <f32>mantissa * <f32>0.001953125 : reinterpret<f32>(((exponent + 120) << 23) | (mantissa << 20))
  return <f32>0.5 * value
}

export function encodeNVFP4(x: usize, count: i32, to: usize): i32 {
  let y = to
  for (const end = x + (<usize>count << 2); x < end; y += 36) {
    for (let s: usize = 0; s < 4; s++, x += 64) {
      const largest = largestBits(x, 64)
      if (largest >= INFINITY_BITS) return 1
      const code = unsignedE4m3(reinterpret<f32>(largest) / <f32>6)
      store<u8>(y + s, code)
      const scale = halvedE4m3(code)
      const all = code == 0 ? i8x16.splat(0) : largest < DISTANT_BITS ? codes16(x, scale) : distantCodes16(x, scale)
      store<u64>(y + 8 * s, i64x2.extract_lane(all, 0) | (i64x2.extract_lane(all, 1) << 4), 4)
    }
  }
  return 0
}

@inline
function levelsOf(codes: v128): v128 {
  return i8x16.swizzle(i8x16(0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12), codes)
}

export function decodeMXFP4(blocks: usize, count: i32, values: usize): void {
  let y = blocks
  for (const end = values + (<usize>count << 2); values < end; values += 128, y += 17) {
    const scale = f32x4.splat(scaleOf(load<u8>(y)))
    const pairs = v128.load(y, 1)
    storeScaled(values, levelsOf(v128.and(pairs, i8x16.splat(15))), scale)
    storeScaled(values + 64, levelsOf(i8x16.shr_u(pairs, 4)), scale)
  }
}

export function decodeNVFP4(blocks: usize, count: i32, values: usize): void {
  let y = blocks
  for (const end = values + (<usize>count << 2); values < end; y += 36) {
    for (let s: usize = 0; s < 4; s++, values += 64) {
      const pairs = v128.load64_splat(y + 8 * s, 4)
      const codes = v128.shuffle<i64>(v128.and(pairs, i8x16.splat(15)), i8x16.shr_u(pairs, 4), 0, 2)
      storeScaled(values, levelsOf(codes), f32x4.splat(halvedE4m3(load<u8>(y + s))))
    }
  }
}
