// Q8_0; plain form in ../../reference/ggml/q8-0.ts.
import { floatOfHalf, halfBits } from './half'
import { INFINITY_BITS, integers, inverseScale, largestU32, magnitudeBits, narrowS8, storeScaled } from './lanes'

/**
 * x * inverse rounded half away from zero. The float below 0.5 is added with the sign of the product: added to an exact
 * half it rounds up to the next integer, added to anything less it stays below.
 */
@inline
function codes(x: usize, inverse: v128): v128 {
  const product = f32x4.mul(v128.load(x), inverse)
  const nearlyHalf = v128.or(v128.and(product, f32x4.splat(-0.0)), f32x4.splat(0.49999997))
  return integers(f32x4.trunc(f32x4.add(product, nearlyHalf)))
}

export function encodeQ8_0(x: usize, count: i32, to: usize): i32 {
  let y = to
  for (const end = x + (<usize>count << 2); x < end; x += 128) {
    let bits = magnitudeBits(v128.load(x))
    for (let i: usize = 16; i < 128; i += 16) bits = i32x4.max_u(bits, magnitudeBits(v128.load(x + i)))
    const largest = largestU32(bits)
    if (largest >= INFINITY_BITS) return 1
    const scale: f32 = reinterpret<f32>(largest) / <f32>127
    store<u16>(y, <u16>halfBits(scale))
    const inverse = f32x4.splat(inverseScale(scale))
    v128.store(y, narrowS8(codes(x, inverse), codes(x + 16, inverse), codes(x + 32, inverse), codes(x + 48, inverse)), 2)
    v128.store(y, narrowS8(codes(x + 64, inverse), codes(x + 80, inverse), codes(x + 96, inverse), codes(x + 112, inverse)), 18)
    y += 34
  }
  return 0
}

export function decodeQ8_0(blocks: usize, count: i32, values: usize): void {
  let y = blocks
  for (const end = values + (<usize>count << 2); values < end; values += 128) {
    const scale = f32x4.splat(floatOfHalf(load<u16>(y)))
    storeScaled(values, v128.load(y, 2), scale)
    storeScaled(values + 64, v128.load(y, 18), scale)
    y += 34
  }
}
