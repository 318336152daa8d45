// Q4_0 and Q5_0; plain form in ../../reference/ggml/{q4-0,q5-0}.ts.
import { floatOfHalf, halfBits } from './half'
import {
  findSigned,
  hasNonFinite,
  INFINITY_BITS,
  integers,
  inverseScale,
  largestNegative,
  largestPositive,
  narrowU8,
  storeScaled,
} from './lanes'
import { INVERSES, multiplyWeights, SCALES } from './scratch'
import { searchSigned32x16, searchSigned32x8 } from './search.generated'
import { floatAt, products, scaleBits } from './super-block'
import { takeLanes, weighBlocks } from './weighted-blocks'

/** Element of largest magnitude among 32, the first one where several are; NaN when one is not finite. */
@inline
function largestElement(x: usize): f32 {
  findSigned(x)
  const most = largestPositive
  const least = largestNegative
  if (max(most, least) >= INFINITY_BITS) return f32.NaN
  if (most == least && most != 0) {
    // +m and -m both occur: the first in order decides the sign of the scale.
    for (let i: usize = 0; i < 128; i += 4) if ((load<u32>(x + i) & 0x7fffffff) == most) return load<f32>(x + i)
  }
  // Without a branch: the sign is hard to foresee.
  return reinterpret<f32>(max(most, least) | (<u32>(least > most) << 31))
}

/** trunc(x * inverse + limit + 0.5), which is never negative and at most 2 limit. */
@inline
function codes(x: usize, inverse: v128, limit: f32): v128 {
  return integers(f32x4.trunc(f32x4.add(f32x4.mul(v128.load(x), inverse), f32x4.splat(limit + 0.5))))
}

@inline
function codes16(x: usize, inverse: v128, limit: f32): v128 {
  const all = narrowU8(codes(x, inverse, limit), codes(x + 16, inverse, limit), codes(x + 32, inverse, limit), codes(x + 48, inverse, limit))
  return i8x16.min_u(all, i8x16.splat(<i8>(2 * limit - 1)))
}

/** Codes 0 .. 15 and 16 .. 31 of a block behind its scale; returns the bytes of the block. */
@inline
function pack(y: usize, low: v128, high: v128, isFive: bool): usize {
  if (!isFive) {
    v128.store(y, v128.or(low, i16x8.shl(high, 4)), 2)
    return 18
  }
  store<u16>(y, <u16>i8x16.bitmask(i16x8.shl(low, 3)), 2)
  store<u16>(y, <u16>i8x16.bitmask(i16x8.shl(high, 3)), 4)
  const four = i8x16.splat(15)
  v128.store(y, v128.or(v128.and(low, four), i16x8.shl(v128.and(high, four), 4)), 6)
  return 22
}

@inline
function encode(x: usize, count: i32, to: usize, limit: f32, isFive: bool): i32 {
  let y = to
  for (const end = x + (<usize>count << 2); x < end; x += 128) {
    const largest = largestElement(x)
    if (largest != largest) return 1
    const scale: f32 = largest / -limit
    store<u16>(y, <u16>halfBits(scale))
    const inverse = f32x4.splat(inverseScale(scale))
    y += pack(y, codes16(x, inverse, limit), codes16(x + 64, inverse, limit), isFive)
  }
  return 0
}

export function encodeQ4_0(x: usize, count: i32, to: usize): i32 {
  return encode(x, count, to, 8, false)
}

export function encodeQ5_0(x: usize, count: i32, to: usize): i32 {
  return encode(x, count, to, 16, true)
}

@inline
function encodeWeighted(x: usize, blocks: i32, perRow: i32, to: usize, importance: usize, limit: f32, isFive: bool): void {
  let y = to
  const low = i32x4.splat(-(<i32>limit))
  const high = i32x4.splat(<i32>limit - 1)
  for (let block = 0; block < blocks; block += 4, x += 512) {
    const many = min(4, blocks - block)
    weighBlocks(x, block, many, perRow, importance)
    takeLanes(x, 0, 0, many)
    multiplyWeights(512)
    if (isFive) searchSigned32x16(0)
    else searchSigned32x8(0)
    for (let k = 0; k < many; k++) {
      const p = x + (<usize>k << 7)
      store<u16>(y, scaleBits(floatAt(SCALES, k)))
      const kept = floatAt(INVERSES, k)
      const inverse = f32x4.splat(kept)
      const zero = f32x4.splat(0)
      // A block without a search result keeps codes of 0.
      const add = i32x4.splat(kept == 0 ? 0 : <i32>limit)
      y += pack(y, products(p, zero, inverse, low, high, add), products(p + 64, zero, inverse, low, high, add), isFive)
    }
  }
}

export function encodeWeightedQ4_0(x: usize, rows: i32, columns: i32, to: usize, importance: usize): i32 {
  if (hasNonFinite(x, rows * columns)) return 1
  encodeWeighted(x, rows * (columns >> 5), columns >> 5, to, importance, 8, false)
  return 0
}

export function encodeWeightedQ5_0(x: usize, rows: i32, columns: i32, to: usize, importance: usize): i32 {
  if (hasNonFinite(x, rows * columns)) return 1
  encodeWeighted(x, rows * (columns >> 5), columns >> 5, to, importance, 16, true)
  return 0
}

export function decodeQ4_0(blocks: usize, count: i32, values: usize): void {
  let y = blocks
  for (const end = values + (<usize>count << 2); values < end; values += 128) {
    const scale = f32x4.splat(floatOfHalf(load<u16>(y)))
    const pairs = v128.load(y, 2)
    const low = i8x16.sub(v128.and(pairs, i8x16.splat(15)), i8x16.splat(8))
    const high = i8x16.sub(i8x16.shr_u(pairs, 4), i8x16.splat(8))
    storeScaled(values, low, scale)
    storeScaled(values + 64, high, scale)
    y += 18
  }
}

/** 16 bytes that are 16 where the bit is set, else 0. */
@inline
export function fifthBits(bits: u32): v128 {
  const spread = i8x16.swizzle(i16x8.splat(<i16>bits), i8x16(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1))
  const masks = i8x16(1, 2, 4, 8, 16, 32, 64, -128, 1, 2, 4, 8, 16, 32, 64, -128)
  return v128.and(i8x16.eq(v128.and(spread, masks), masks), i8x16.splat(16))
}

export function decodeQ5_0(blocks: usize, count: i32, values: usize): void {
  let y = blocks
  const middle = i8x16.splat(16)
  for (const end = values + (<usize>count << 2); values < end; values += 128) {
    const scale = f32x4.splat(floatOfHalf(load<u16>(y)))
    const pairs = v128.load(y, 6)
    const low = v128.or(v128.and(pairs, i8x16.splat(15)), fifthBits(load<u16>(y, 2)))
    const high = v128.or(i8x16.shr_u(pairs, 4), fifthBits(load<u16>(y, 4)))
    storeScaled(values, i8x16.sub(low, middle), scale)
    storeScaled(values + 64, i8x16.sub(high, middle), scale)
    y += 22
  }
}
