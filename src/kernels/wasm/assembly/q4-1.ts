// Q4_1; plain form in ../../reference/ggml/q4-1.ts.
import { floatOfHalf, halfBits } from './half'
import { INFINITY_BITS, integers, inverseScale, largestF32, largestU32, magnitudeBits, narrowU8, smallestF32 } from './lanes'

/** min(15, trunc((x - least) * inverse + 0.5)), never negative; 0 where x - least overflows and the inverse is 0. */
@inline
function codes(x: usize, least: v128, inverse: v128): v128 {
  const sum = f32x4.add(f32x4.mul(f32x4.sub(v128.load(x), least), inverse), f32x4.splat(0.5))
  return integers(f32x4.pmin(f32x4.splat(15), f32x4.pmax(f32x4.splat(0), f32x4.trunc(sum))))
}

/** Which zero comes first decides the sign of a minimum of 0. */
@inline
function firstZero(x: usize): f32 {
  for (let i: usize = 0; i < 128; i += 4) if (load<f32>(x + i) == 0) return load<f32>(x + i)
  return 0
}

export function encodeQ4_1(x: usize, count: i32, to: usize): i32 {
  let y = to
  for (const end = x + (<usize>count << 2); x < end; x += 128) {
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
    if (largestU32(bits) >= INFINITY_BITS) return 1
    let least = smallestF32(low)
    if (least == 0) least = firstZero(x)
    const scale: f32 = (largestF32(high) - least) / <f32>15
    store<u16>(y, <u16>halfBits(scale))
    store<u16>(y, <u16>halfBits(least), 2)
    const m = f32x4.splat(least)
    const inverse = f32x4.splat(inverseScale(scale))
    const first = narrowU8(codes(x, m, inverse), codes(x + 16, m, inverse), codes(x + 32, m, inverse), codes(x + 48, m, inverse))
    const last = narrowU8(codes(x + 64, m, inverse), codes(x + 80, m, inverse), codes(x + 96, m, inverse), codes(x + 112, m, inverse))
    v128.store(y, v128.or(first, i16x8.shl(last, 4)), 4)
    y += 20
  }
  return 0
}

@inline
function decode8(values: usize, codes: v128, scale: v128, least: v128): void {
  v128.store(values, f32x4.add(f32x4.mul(scale, f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(codes))), least))
  v128.store(values, f32x4.add(f32x4.mul(scale, f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_u(codes))), least), 16)
}

export function decodeQ4_1(blocks: usize, count: i32, values: usize): void {
  let y = blocks
  for (const end = values + (<usize>count << 2); values < end; values += 128) {
    const scale = f32x4.splat(floatOfHalf(load<u16>(y)))
    const least = f32x4.splat(floatOfHalf(load<u16>(y, 2)))
    const pairs = v128.load(y, 4)
    const low = v128.and(pairs, i8x16.splat(15))
    const high = i8x16.shr_u(pairs, 4)
    decode8(values, i16x8.extend_low_i8x16_u(low), scale, least)
    decode8(values + 32, i16x8.extend_high_i8x16_u(low), scale, least)
    decode8(values + 64, i16x8.extend_low_i8x16_u(high), scale, least)
    decode8(values + 96, i16x8.extend_high_i8x16_u(high), scale, least)
    y += 20
  }
}
