// Q4_0; plain form in ../../reference/ggml/q4-0.ts.
import { floatOfHalf, halfBits } from './half'
import { INFINITY_BITS, integers, inverseScale, largestF32, largestU32, magnitudeBits, narrowU8, smallestF32 } from './lanes'

/** Set when a block holds a value that is not finite. */
let isBroken: bool = false

/** Element of largest magnitude among 32, the first one where several are. */
@inline
function largestElement(x: usize): f32 {
  let v = v128.load(x)
  let high = v
  let low = v
  let bits = magnitudeBits(v)
  for (let i: usize = 16; i < 128; i += 16) {
    v = v128.load(x + i)
    high = f32x4.pmax(high, v)
    low = f32x4.pmin(low, v)
    bits = i32x4.max_u(bits, magnitudeBits(v))
  }
  if (largestU32(bits) >= INFINITY_BITS) isBroken = true
  const most = largestF32(high)
  const least = -smallestF32(low)
  if (most == 0 && least == 0) return 0
  if (most > least) return most
  if (least > most) return -least
  // +m and -m both occur: the first in order decides the sign of the scale.
  for (let i: usize = 0; i < 128; i += 4) {
    const value = load<f32>(x + i)
    if (abs(value) == most) return value
  }
  return 0
}

/** min(15, trunc(x * inverse + 8.5)), which is never negative. */
@inline
function codes(x: usize, inverse: v128): v128 {
  const sum = f32x4.add(f32x4.mul(v128.load(x), inverse), f32x4.splat(8.5))
  return integers(f32x4.pmin(f32x4.splat(15), f32x4.trunc(sum)))
}

export function encodeQ4_0(x: usize, count: i32, to: usize): i32 {
  isBroken = false
  let y = to
  for (const end = x + (<usize>count << 2); x < end; x += 128) {
    const scale: f32 = largestElement(x) / <f32>-8
    if (isBroken) return 1
    store<u16>(y, <u16>halfBits(scale))
    const inverse = f32x4.splat(inverseScale(scale))
    const low = narrowU8(codes(x, inverse), codes(x + 16, inverse), codes(x + 32, inverse), codes(x + 48, inverse))
    const high = narrowU8(codes(x + 64, inverse), codes(x + 80, inverse), codes(x + 96, inverse), codes(x + 112, inverse))
    v128.store(y, v128.or(low, i16x8.shl(high, 4)), 2)
    y += 18
  }
  return 0
}

@inline
function decode8(values: usize, signed: v128, scale: v128): void {
  v128.store(values, f32x4.mul(scale, f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(signed))))
  v128.store(values, f32x4.mul(scale, f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(signed))), 16)
}

export function decodeQ4_0(blocks: usize, count: i32, values: usize): void {
  let y = blocks
  for (const end = values + (<usize>count << 2); values < end; values += 128) {
    const scale = f32x4.splat(floatOfHalf(load<u16>(y)))
    const pairs = v128.load(y, 2)
    const low = i8x16.sub(v128.and(pairs, i8x16.splat(15)), i8x16.splat(8))
    const high = i8x16.sub(i8x16.shr_u(pairs, 4), i8x16.splat(8))
    decode8(values, i16x8.extend_low_i8x16_s(low), scale)
    decode8(values + 32, i16x8.extend_high_i8x16_s(low), scale)
    decode8(values + 64, i16x8.extend_low_i8x16_s(high), scale)
    decode8(values + 96, i16x8.extend_high_i8x16_s(high), scale)
    y += 18
  }
}
