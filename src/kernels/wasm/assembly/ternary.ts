// TQ1_0 and TQ2_0; plain form in ../../reference/ggml/ternary.ts.
import { floatOfHalf, halfBits } from './half'
import { INFINITY_BITS, integers, inverseScale, largestU32, magnitudeBits, narrowU8, storeScaled } from './lanes'
import { CODES } from './scratch'
import { packQuarters, quarters } from './super-block'

/** x * inverse, within -1 .. 1, rounded half away from zero, + 1. */
@inline
function codes(x: usize, inverse: v128): v128 {
  const product = f32x4.mul(v128.load(x), inverse)
  // The float below 0.5: added to an exact half it reaches the next integer, added to anything less it does not.
  const nearlyHalf = v128.or(v128.and(product, f32x4.splat(-0.0)), f32x4.splat(0.49999997))
  return i32x4.add(integers(f32x4.trunc(f32x4.add(product, nearlyHalf))), i32x4.splat(1))
}

/** Writes CODES of 256 elements and returns their largest magnitude; infinite when one is not finite. */
@inline
function encode(x: usize): f32 {
  let bits = magnitudeBits(v128.load(x))
  for (let i: usize = 16; i < 1024; i += 16) bits = i32x4.max_u(bits, magnitudeBits(v128.load(x + i)))
  const largest = largestU32(bits)
  if (largest >= INFINITY_BITS) return Infinity
  const scale = reinterpret<f32>(largest)
  const inverse = f32x4.splat(inverseScale(scale))
  for (let i: usize = 0; i < 256; i += 16) {
    const p = x + (i << 2)
    v128.store(CODES + i, narrowU8(codes(p, inverse), codes(p + 16, inverse), codes(p + 32, inverse), codes(p + 48, inverse)))
  }
  return scale
}

/** Three times `sum` plus `digit`; five digits stay below 243. */
@inline
function append(sum: v128, digit: v128): v128 {
  return i8x16.add(i8x16.add(sum, i8x16.add(sum, sum)), digit)
}

/** 16 bytes ceil(256 v / 243) of sums v below 243: v + (13 v + 242) / 243, where 270 / 2^16 divides exactly. */
@inline
function fractions(sums: v128): v128 {
  const thirteen = i16x8.splat(13)
  const most = i16x8.splat(242)
  const low = i16x8.add(i16x8.mul(i16x8.extend_low_i8x16_u(sums), thirteen), most)
  const high = i16x8.add(i16x8.mul(i16x8.extend_high_i8x16_u(sums), thirteen), most)
  return i8x16.add(sums, narrowU8(quotients(low, false), quotients(low, true), quotients(high, false), quotients(high, true)))
}

@inline
function quotients(v: v128, isHigh: bool): v128 {
  const by = i16x8.splat(270)
  return i32x4.shr_u(isHigh ? i32x4.extmul_high_i16x8_u(v, by) : i32x4.extmul_low_i16x8_u(v, by), 16)
}

/** 16 bytes of five digits: element `first` and those `stride` further. */
@inline
function packFive(first: usize, stride: usize): v128 {
  let sum = v128.load(CODES + first)
  for (let n: usize = 1; n < 5; n++) sum = append(sum, v128.load(CODES + first + n * stride))
  return fractions(sum)
}

export function encodeTQ1_0(x: usize, count: i32, to: usize): i32 {
  let y = to
  for (const end = x + (<usize>count << 2); x < end; x += 1024, y += 54) {
    const scale = encode(x)
    if (scale == Infinity) return 1
    v128.store(y, packFive(0, 32))
    v128.store(y, packFive(16, 32), 16)
    v128.store(y, packFive(160, 16), 32)
    for (let m: usize = 0; m < 4; m++) {
      let sum: u32 = 0
      for (let n: usize = 0; n < 4; n++) sum = 3 * sum + load<u8>(CODES + 240 + m + 4 * n)
      store<u8>(y + m, (3 * sum * 256 + 242) / 243, 48)
    }
    store<u16>(y, <u16>halfBits(scale), 52)
  }
  return 0
}

export function encodeTQ2_0(x: usize, count: i32, to: usize): i32 {
  let y = to
  for (const end = x + (<usize>count << 2); x < end; x += 1024, y += 66) {
    const scale = encode(x)
    if (scale == Infinity) return 1
    packQuarters(y)
    store<u16>(y, <u16>halfBits(scale), 64)
  }
  return 0
}

/** Digit of 8 bytes, each as i16, by the power of 3 that brings it to the front: ((byte * power) & 255) * 3 / 256 - 1. */
@inline
function digit8(bytes: v128, power: i16): v128 {
  const rest = v128.and(i16x8.mul(bytes, i16x8.splat(power)), i16x8.splat(255))
  return i16x8.sub(i16x8.shr_u(i16x8.mul(rest, i16x8.splat(3)), 8), i16x8.splat(1))
}

@inline
function digits(bytes: v128, power: i16): v128 {
  return i8x16.narrow_i16x8_s(digit8(i16x8.extend_low_i8x16_u(bytes), power), digit8(i16x8.extend_high_i8x16_u(bytes), power))
}

export function decodeTQ1_0(blocks: usize, count: i32, values: usize): void {
  let y = blocks
  for (const end = values + (<usize>count << 2); values < end; values += 1024, y += 54) {
    const d = floatOfHalf(load<u16>(y, 52))
    const scale = f32x4.splat(d)
    let power: i16 = 1
    for (let n: usize = 0; n < 5; n++) {
      storeScaled(values + n * 128, digits(v128.load(y), power), scale)
      storeScaled(values + n * 128 + 64, digits(v128.load(y, 16), power), scale)
      storeScaled(values + 640 + n * 64, digits(v128.load(y, 32), power), scale)
      power *= 3
    }
    for (let m: usize = 0; m < 4; m++) {
      let rest = <u32>load<u8>(y + m, 48)
      for (let n: usize = 0; n < 4; n++) {
        store<f32>(values + 960 + (m << 2) + (n << 4), d * <f32>(<i32>((rest * 3) >> 8) - 1))
        rest = (rest * 3) & 255
      }
    }
  }
}

export function decodeTQ2_0(blocks: usize, count: i32, values: usize): void {
  let y = blocks
  for (const end = values + (<usize>count << 2); values < end; values += 1024, y += 66) {
    const scale = f32x4.splat(floatOfHalf(load<u16>(y, 64)))
    for (let j = 0; j < 16; j++) storeScaled(values + (<usize>j << 6), i8x16.sub(quarters(y, j), i8x16.splat(1)), scale)
  }
}
