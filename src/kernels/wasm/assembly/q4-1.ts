// Q4_1 and Q5_1; plain form in ../../reference/ggml/{q4-1,q5-1}.ts.
import { findRanges, HIGHS, LOWS } from './block-ranges'
import { halves } from './float-blocks'
import { floatOfHalf } from './half'
import { hasNonFinite, integers, narrowU8, storeAffine } from './lanes'
import { fifthBits } from './q4-0'
import { INVERSES, MINIMUMS, ORIGINS, SCALES } from './scratch'
import { searchWeighted32x15, searchWeighted32x31 } from './search.generated'
import { floatAt, products, scaleBits } from './super-block'
import { takeLanes, weighBlocks } from './weighted-blocks'

/** trunc((x - origin) * inverse + 0.5), within 0 .. most. */
@inline
function codes(x: usize, origin: v128, inverse: v128): v128 {
  return f32x4.trunc(f32x4.add(f32x4.mul(f32x4.sub(v128.load(x), origin), inverse), f32x4.splat(0.5)))
}

/** Two codes of 4 bits: the one of the element at x below that of the element 16 further on. */
@inline
function codePair(x: usize, origin: v128, inverse: v128): v128 {
  return integers(f32x4.add(codes(x, origin, inverse), f32x4.mul(codes(x + 64, origin, inverse), f32x4.splat(16))))
}

@inline
function codes16(x: usize, origin: v128, inverse: v128): v128 {
  return narrowU8(
    integers(codes(x, origin, inverse)),
    integers(codes(x + 16, origin, inverse)),
    integers(codes(x + 32, origin, inverse)),
    integers(codes(x + 48, origin, inverse)),
  )
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

/** For four blocks: scale and minimum as halves, what is subtracted from the elements, and what they are then multiplied by. */
const HEADS: usize = memory.data(16, 16)
const ORIGINS_4: usize = memory.data(16, 16)
const INVERSES_4: usize = memory.data(16, 16)

@inline
function fitRanges(most: f32): void {
  const low = v128.load(LOWS)
  const scale = f32x4.div(f32x4.sub(v128.load(HIGHS), low), f32x4.splat(most))
  v128.store(HEADS, v128.or(halves(scale), i32x4.shl(halves(low), 16)))
  // Where the range overflows, all codes are 0.
  v128.store(ORIGINS_4, v128.and(low, f32x4.lt(scale, f32x4.splat(Infinity))))
  const inverse = f32x4.div(f32x4.splat(1), scale)
  v128.store(INVERSES_4, v128.and(inverse, f32x4.lt(inverse, f32x4.splat(Infinity))))
}

@inline
function encode(x: usize, count: i32, to: usize, most: f32, isFive: bool): i32 {
  let y = to
  for (let left = count >> 5; left > 0; left -= 4) {
    const many = min(4, left)
    if (!findRanges(x, many)) return 1
    fitRanges(most)
    for (let k: usize = 0; k < <usize>many << 2; k += 4, x += 128) {
      const origin = v128.load32_splat(ORIGINS_4 + k)
      const inverse = v128.load32_splat(INVERSES_4 + k)
      store<u32>(y, load<u32>(HEADS + k))
      if (isFive) {
        y += pack(y, codes16(x, origin, inverse), codes16(x + 64, origin, inverse), true)
      } else {
        const pairs = narrowU8(
          codePair(x, origin, inverse),
          codePair(x + 16, origin, inverse),
          codePair(x + 32, origin, inverse),
          codePair(x + 48, origin, inverse),
        )
        v128.store(y, pairs, 4)
        y += 20
      }
    }
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
