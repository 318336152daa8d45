// Q4_1 and Q5_1; plain form in ../../reference/ggml/{q4-1,q5-1}.ts.
import { floatOfHalf, halfBits } from './half'
import {
  findSigned,
  hasNonFinite,
  INFINITY_BITS,
  integers,
  inverseScale,
  largestF32,
  largestNegative,
  largestPositive,
  narrowU8,
  smallestF32,
  storeAffine,
} from './lanes'
import { fifthBits } from './q4-0'
import { INVERSES, MINIMUMS, ORIGINS, SCALES } from './scratch'
import { searchWeighted32x15, searchWeighted32x31 } from './search.generated'
import { floatAt, products, scaleBits } from './super-block'
import { takeLanes, weighBlocks } from './weighted-blocks'

/** trunc((x - least) * inverse + 0.5), within 0 .. most where that does not overflow. */
@inline
function codes(x: usize, least: v128, inverse: v128): v128 {
  return integers(f32x4.trunc(f32x4.add(f32x4.mul(f32x4.sub(v128.load(x), least), inverse), f32x4.splat(0.5))))
}

@inline
function codes16(x: usize, least: v128, inverse: v128): v128 {
  return narrowU8(
    codes(x, least, inverse),
    codes(x + 16, least, inverse),
    codes(x + 32, least, inverse),
    codes(x + 48, least, inverse),
  )
}

/** Range of the block just looked at. */
let blockLow: f32 = 0
let blockHigh: f32 = 0

/** Sets the range of a block in which all elements have one sign or are 0. */
function lookAtOneSided(x: usize): void {
  let high = v128.load(x)
  let low = high
  for (let i: usize = 16; i < 128; i += 16) {
    high = f32x4.pmax(high, v128.load(x + i))
    low = f32x4.pmin(low, v128.load(x + i))
  }
  blockHigh = largestF32(high)
  blockLow = smallestF32(low)
  if (blockLow != 0) return
  // Which zero comes first decides the sign of a minimum of 0.
  for (let i: usize = 0; i < 128; i += 4) {
    if (load<f32>(x + i) == 0) {
      blockLow = load<f32>(x + i)
      return
    }
  }
}

/** Sets the range of a block; false when an element is not finite. */
@inline
function lookAt(x: usize): bool {
  findSigned(x)
  const most = largestPositive
  const least = largestNegative
  if (max(most, least) >= INFINITY_BITS) return false
  if (most == 0 || least == 0) {
    lookAtOneSided(x)
  } else {
    blockHigh = reinterpret<f32>(most)
    blockLow = -reinterpret<f32>(least)
  }
  return true
}

/** Codes 0 .. 15 and 16 .. 31 of a block behind its scale and minimum; returns the bytes of the block. */
@inline
function pack(y: usize, low: v128, high: v128, isFive: bool): usize {
  if (!isFive) {
    v128.store(y, v128.or(low, i16x8.shl(high, 4)), 4)
    return 20
  }
  store<u16>(y, <u16>i8x16.bitmask(i16x8.shl(low, 3)), 4)
  store<u16>(y, <u16>i8x16.bitmask(i16x8.shl(high, 3)), 6)
  const four = i8x16.splat(15)
  v128.store(y, v128.or(v128.and(low, four), i16x8.shl(v128.and(high, four), 4)), 8)
  return 24
}

@inline
function encode(x: usize, count: i32, to: usize, most: f32, isFive: bool): i32 {
  let y = to
  for (const end = x + (<usize>count << 2); x < end; x += 128) {
    if (!lookAt(x)) return 1
    const scale: f32 = (blockHigh - blockLow) / most
    store<u16>(y, <u16>halfBits(scale))
    store<u16>(y, <u16>halfBits(blockLow), 2)
    const least = f32x4.splat(blockLow)
    const inverse = f32x4.splat(inverseScale(scale))
    const zero = i8x16.splat(0)
    // Where the range overflows, the inverse is 0 and so are all codes.
    const overflows = !(scale < Infinity)
    const low = overflows ? zero : codes16(x, least, inverse)
    const high = overflows ? zero : codes16(x + 64, least, inverse)
    y += pack(y, low, high, isFive)
  }
  return 0
}

export function encodeQ4_1(x: usize, count: i32, to: usize): i32 {
  return encode(x, count, to, 15, false)
}

export function encodeQ5_1(x: usize, count: i32, to: usize): i32 {
  return encode(x, count, to, 31, true)
}

@inline
function encodeWeighted(x: usize, blocks: i32, perRow: i32, to: usize, importance: usize, most: f32, isFive: bool): void {
  let y = to
  const low = i32x4.splat(0)
  const high = i32x4.splat(<i32>most)
  for (let block = 0; block < blocks; block += 8, x += 1024) {
    const many = min(8, blocks - block)
    weighBlocks(x, block, many, perRow, importance)
    takeLanes(x, 0, 0, many)
    // Without a second four the first is done twice.
    const second: usize = many > 4 ? 512 : 0
    takeLanes(x + second, second, 512, many > 4 ? many - 4 : many)
    if (isFive) searchWeighted32x31()
    else searchWeighted32x15()
    for (let k = 0; k < many; k++) {
      const p = x + (<usize>k << 7)
      store<u16>(y, scaleBits(floatAt(SCALES, k)))
      store<u16>(y, scaleBits(-floatAt(MINIMUMS, k)), 2)
      const origin = f32x4.splat(floatAt(ORIGINS, k))
      const inverse = f32x4.splat(floatAt(INVERSES, k))
      const add = i32x4.splat(0)
      y += pack(y, products(p, origin, inverse, low, high, add), products(p + 64, origin, inverse, low, high, add), isFive)
    }
  }
}

export function encodeWeightedQ4_1(x: usize, rows: i32, columns: i32, to: usize, importance: usize): i32 {
  if (hasNonFinite(x, rows * columns)) return 1
  encodeWeighted(x, rows * (columns >> 5), columns >> 5, to, importance, 15, false)
  return 0
}

export function encodeWeightedQ5_1(x: usize, rows: i32, columns: i32, to: usize, importance: usize): i32 {
  if (hasNonFinite(x, rows * columns)) return 1
  encodeWeighted(x, rows * (columns >> 5), columns >> 5, to, importance, 31, true)
  return 0
}

export function decodeQ4_1(blocks: usize, count: i32, values: usize): void {
  let y = blocks
  for (const end = values + (<usize>count << 2); values < end; values += 128) {
    const scale = f32x4.splat(floatOfHalf(load<u16>(y)))
    const least = f32x4.splat(floatOfHalf(load<u16>(y, 2)))
    const pairs = v128.load(y, 4)
    storeAffine(values, v128.and(pairs, i8x16.splat(15)), scale, least)
    storeAffine(values + 64, i8x16.shr_u(pairs, 4), scale, least)
    y += 20
  }
}

export function decodeQ5_1(blocks: usize, count: i32, values: usize): void {
  let y = blocks
  for (const end = values + (<usize>count << 2); values < end; values += 128) {
    const scale = f32x4.splat(floatOfHalf(load<u16>(y)))
    const least = f32x4.splat(floatOfHalf(load<u16>(y, 2)))
    const pairs = v128.load(y, 8)
    storeAffine(values, v128.or(v128.and(pairs, i8x16.splat(15)), fifthBits(load<u16>(y, 4))), scale, least)
    storeAffine(values + 64, v128.or(i8x16.shr_u(pairs, 4), fifthBits(load<u16>(y, 6))), scale, least)
    y += 24
  }
}
