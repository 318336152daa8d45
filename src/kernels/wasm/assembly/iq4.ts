// IQ4_NL and IQ4_XS; plain form in ../../reference/ggml/iq4.ts.
import { floatOfHalf } from './half'
import { hasNonFinite, integers, inverseScale, nearestCode, storeScaled } from './lanes'
import {
  findPeaks,
  PEAK_MAGNITUDES,
  PEAKS,
  ROW_WEIGHTS,
  SCALES,
  squareSum,
  transposeBlocks,
  VALUES,
  weigh,
  weighBySquares,
  WEIGHTS,
  ZERO_BELOW,
} from './scratch'
import { floatAt, largestSigned, scaleBits } from './super-block'

/** floor(v) + 9 as i32. Floor first: 9 added to an f32 could round up. */
@inline
function shifted(v: v128): v128 {
  return i32x4.add(integers(f32x4.floor(v)), i32x4.splat(9))
}

/**
 * Places of the nearest levels for 16 values given doubled: bit 3 for those below -9/2, the midpoint between -10 and 1, and how
 * many midpoints on that side are passed, found by halving in the two tables of midpoints (doubled, from -9 on: whole numbers,
 * so floor and comparisons are exact and a value on a midpoint takes the higher level).
 */
@inline
function places(a: v128, b: v128, c: v128, d: v128): v128 {
  const midpoints = i8x16(0, 23, 47, 72, 100, -125, -89, -45, 0, 23, 48, 75, 105, -117, -78, -34)
  const low = i16x8.narrow_i32x4_s(shifted(a), shifted(b))
  const high = i16x8.narrow_i32x4_s(shifted(c), shifted(d))
  const lowSign = i16x8.shr_s(low, 15)
  const highSign = i16x8.shr_s(high, 15)
  const distance = i8x16.narrow_i16x8_u(v128.xor(low, lowSign), v128.xor(high, highSign))
  let place = v128.and(i8x16.narrow_i16x8_s(lowSign, highSign), i8x16.splat(8))
  place = passed(place, distance, midpoints, 4)
  place = passed(place, distance, midpoints, 2)
  return passed(place, distance, midpoints, 1)
}

@inline
function passed(place: v128, distance: v128, midpoints: v128, step: i8): v128 {
  const by = i8x16.splat(step)
  return i8x16.add(place, v128.and(i8x16.ge_u(distance, i8x16.swizzle(midpoints, i8x16.add(place, by))), by))
}

@inline
function levelsOf(place: v128): v128 {
  return i8x16.swizzle(i8x16(1, 13, 25, 38, 53, 69, 89, 113, -10, -22, -35, -49, -65, -83, -104, -127), place)
}

@inline
function codesOf(place: v128): v128 {
  return i8x16.swizzle(i8x16(8, 9, 10, 11, 12, 13, 14, 15, 7, 6, 5, 4, 3, 2, 1, 0), place)
}

/** Four elements times the doubled inverse, kept where `places` is exact. */
@inline
function bounded(x: usize, inverse: v128): v128 {
  const most = f32x4.splat(2000)
  return f32x4.pmax(f32x4.splat(-2000), f32x4.pmin(most, f32x4.mul(inverse, v128.load(x))))
}

/** Codes of 32 elements as 16 bytes. */
@inline
function packedCodes(x: usize, inverse: f32): v128 {
  const doubled = f32x4.splat(inverse + inverse)
  const low = codesOf(places(bounded(x, doubled), bounded(x + 16, doubled), bounded(x + 32, doubled), bounded(x + 48, doubled)))
  const p = x + 64
  const high = codesOf(places(bounded(p, doubled), bounded(p + 16, doubled), bounded(p + 32, doubled), bounded(p + 48, doubled)))
  return v128.or(low, i16x8.shl(high, 4))
}

/** SCALES of four blocks in VALUES and WEIGHTS, from `at` bytes on: a first guess, then 15 inverse scales around it. */
function searchScales(at: usize): void {
  findPeaks(512)
  const peak = v128.load(PEAKS)
  const zero = f32x4.splat(0)
  let scale = zero
  let best = zero
  for (let step = -8; step <= 7; step++) {
    // -8 stands for the first guess.
    const isFirst = step == -8
    const guess = f32x4.div(f32x4.splat(1), f32x4.div(peak, f32x4.splat(127)))
    const inverse = isFirst ? guess : f32x4.div(f32x4.splat(<f32>step - 127), peak)
    const doubled = f32x4.add(inverse, inverse)
    let product = zero
    let square = zero
    for (let i: usize = 0; i < 512; i += 64) {
      const a = v128.load(VALUES + i)
      const b = v128.load(VALUES + i, 16)
      const c = v128.load(VALUES + i, 32)
      const d = v128.load(VALUES + i, 48)
      const levels = levelsOf(places(f32x4.mul(doubled, a), f32x4.mul(doubled, b), f32x4.mul(doubled, c), f32x4.mul(doubled, d)))
      const low = i16x8.extend_low_i8x16_s(levels)
      const high = i16x8.extend_high_i8x16_s(levels)
      let level = f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(low))
      let weighted = f32x4.mul(v128.load(WEIGHTS + i), level)
      product = f32x4.add(product, f32x4.mul(weighted, a))
      square = f32x4.add(square, f32x4.mul(weighted, level))
      level = f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(low))
      weighted = f32x4.mul(v128.load(WEIGHTS + i, 16), level)
      product = f32x4.add(product, f32x4.mul(weighted, b))
      square = f32x4.add(square, f32x4.mul(weighted, level))
      level = f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(high))
      weighted = f32x4.mul(v128.load(WEIGHTS + i, 32), level)
      product = f32x4.add(product, f32x4.mul(weighted, c))
      square = f32x4.add(square, f32x4.mul(weighted, level))
      level = f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(high))
      weighted = f32x4.mul(v128.load(WEIGHTS + i, 48), level)
      product = f32x4.add(product, f32x4.mul(weighted, d))
      square = f32x4.add(square, f32x4.mul(weighted, level))
    }
    if (isFirst) {
      scale = v128.and(f32x4.div(product, square), f32x4.gt(square, zero))
      best = f32x4.mul(scale, product)
    } else {
      const is = v128.and(f32x4.gt(square, zero), f32x4.gt(f32x4.mul(product, product), f32x4.mul(best, square)))
      scale = v128.bitselect(f32x4.div(product, square), scale, is)
      best = v128.bitselect(f32x4.mul(scale, product), best, is)
    }
  }
  const isDead = f32x4.lt(v128.load(PEAK_MAGNITUDES), f32x4.splat(ZERO_BELOW))
  v128.store(SCALES + at, v128.andnot(scale, isDead))
}

@inline
function encodeNl(x: usize, blocks: i32, perRow: i32, to: usize, importance: usize): void {
  let y = to
  for (let block = 0; block < blocks; block += 4, x += 512) {
    const many = min(4, blocks - block)
    transposeBlocks(VALUES, x, many)
    if (importance != 0) {
      for (let k = 0; k < many; k++) {
        const p = x + (<usize>k << 7)
        const column = <usize>((block + k) % perRow) << 7
        weigh(p, importance + column, <f32>0.0625 * squareSum(p, 32), 128, ROW_WEIGHTS + (<usize>k << 7))
      }
      transposeBlocks(WEIGHTS, ROW_WEIGHTS, many)
    } else {
      weighBySquares(512)
    }
    searchScales(0)
    for (let k = 0; k < many; k++) {
      const scale = floatAt(SCALES, k)
      store<u16>(y, scaleBits(scale))
      v128.store(y, packedCodes(x + (<usize>k << 7), inverseScale(scale)), 2)
      y += 18
    }
  }
}

export function encodeIQ4_NL(x: usize, count: i32, to: usize): i32 {
  if (hasNonFinite(x, count)) return 1
  encodeNl(x, count >> 5, 1, to, 0)
  return 0
}

export function encodeWeightedIQ4_NL(x: usize, rows: i32, columns: i32, to: usize, importance: usize): i32 {
  if (hasNonFinite(x, rows * columns)) return 1
  encodeNl(x, rows * (columns >> 5), columns >> 5, to, importance)
  return 0
}

/** `importance` is 0 without one. */
function encodeXs(x: usize, importance: usize, y: usize): void {
  if (importance != 0) weigh(x, importance, <f32>0.0078125 * squareSum(x, 256), 1024, ROW_WEIGHTS)
  for (let half: usize = 0; half < 2; half++) {
    transposeBlocks(VALUES, x + half * 512, 4)
    if (importance != 0) transposeBlocks(WEIGHTS, ROW_WEIGHTS + half * 512, 4)
    else weighBySquares(512)
    searchScales(half * 16)
  }
  const d: f32 = -largestSigned(SCALES, 8) / <f32>32
  const inverse = inverseScale(d)
  let high: u32 = 0
  store<u16>(y, scaleBits(d))
  store<u32>(y, 0, 4)
  for (let j = 0; j < 8; j++) {
    const share = nearestCode(inverse * floatAt(SCALES, j), -32, 31)
    v128.store(y + (<usize>j << 4), packedCodes(x + (<usize>j << 7), inverseScale(d * <f32>share)), 8)
    const code = <u32>(share + 32)
    const low = y + 4 + (j >> 1)
    store<u8>(low, load<u8>(low) | ((code & 15) << (4 * (j & 1))))
    high |= (code >> 4) << (2 * j)
  }
  store<u16>(y, <u16>high, 2)
}

export function encodeIQ4_XS(x: usize, count: i32, to: usize): i32 {
  if (hasNonFinite(x, count)) return 1
  for (const end = x + (<usize>count << 2); x < end; x += 1024, to += 136) encodeXs(x, 0, to)
  return 0
}

export function encodeWeightedIQ4_XS(x: usize, rows: i32, columns: i32, to: usize, importance: usize): i32 {
  if (hasNonFinite(x, rows * columns)) return 1
  for (let row = 0; row < rows; row++) {
    for (let i: usize = 0; i < <usize>columns << 2; i += 1024, x += 1024, to += 136) encodeXs(x, importance + i, to)
  }
  return 0
}

/** 32 values of the levels whose codes are 16 bytes at `from`. */
@inline
function decode(from: usize, values: usize, scale: f32): void {
  const levels = i8x16(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113)
  const pairs = v128.load(from)
  storeScaled(values, i8x16.swizzle(levels, v128.and(pairs, i8x16.splat(15))), f32x4.splat(scale))
  storeScaled(values + 64, i8x16.swizzle(levels, i8x16.shr_u(pairs, 4)), f32x4.splat(scale))
}

export function decodeIQ4_NL(blocks: usize, count: i32, values: usize): void {
  let y = blocks
  for (const end = values + (<usize>count << 2); values < end; values += 128, y += 18) decode(y + 2, values, floatOfHalf(load<u16>(y)))
}

export function decodeIQ4_XS(blocks: usize, count: i32, values: usize): void {
  let y = blocks
  for (const end = values + (<usize>count << 2); values < end; values += 1024, y += 136) {
    const d = floatOfHalf(load<u16>(y))
    const high = <i32>load<u16>(y, 2)
    for (let j = 0; j < 8; j++) {
      const low = (<i32>load<u8>(y + (j >> 1), 4) >> (4 * (j & 1))) & 15
      const share = (low | (((high >> (2 * j)) & 3) << 4)) - 32
      decode(y + 8 + (<usize>j << 4), values + (<usize>j << 7), d * <f32>share)
    }
  }
}
