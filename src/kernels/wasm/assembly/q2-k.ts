// Q2_K; plain form in ../../reference/ggml/q2-k.ts.
import { floatOfHalf } from './half'
import { hasNonFinite, nearestInt, storeAffine } from './lanes'
import {
  MINIMUM_CODES,
  MINIMUMS,
  ROW_WEIGHTS,
  SCALE_CODES,
  SCALES,
  squareSum,
  sumWeights,
  transpose,
  VALUES,
  WEIGHT_SUMS,
  WEIGHTS,
  weigh,
} from './scratch'
import { searchQ2_K, searchWeighted16x3 } from './search.generated'
import { floatAt, largestOf, packQuarters, quarters, requantize, scaleBits, searchPositive } from './super-block'

/** Values as codes of the largest, and that unit. */
@inline
function share(values: usize, codes: usize): f32 {
  const largest = largestOf(values, 16)
  const inverse: f32 = largest > 0 ? <f32>15 / largest : 0
  for (let j = 0; j < 16; j++) store<u8>(codes + j, nearestInt(inverse * floatAt(values, j)))
  return largest / <f32>15
}

/** `importance` is 0 without one. */
function encode(x: usize, importance: usize, y: usize): void {
  if (importance != 0) weigh(x, importance, squareSum(x, 256) / <f32>256, 1024, ROW_WEIGHTS)
  for (let group: usize = 0; group < 1024; group += 256) {
    transpose(VALUES + group, x + group, 16, 64)
    if (importance != 0) {
      transpose(WEIGHTS + group, ROW_WEIGHTS + group, 16, 64)
      sumWeights(WEIGHTS + group, 16, WEIGHT_SUMS + (group >> 4))
    }
  }
  if (importance != 0) {
    searchWeighted16x3()
  } else {
    for (let i: usize = 0; i < 1024; i += 16) v128.store(WEIGHTS + i, f32x4.abs(v128.load(VALUES + i)))
    searchQ2_K()
  }
  const isWeighted = importance != 0
  const d = isWeighted ? searchPositive(SCALES, WEIGHT_SUMS, 16, 15, SCALE_CODES) : share(SCALES, SCALE_CODES)
  const m = isWeighted ? searchPositive(MINIMUMS, WEIGHT_SUMS, 16, 15, MINIMUM_CODES) : share(MINIMUMS, MINIMUM_CODES)
  store<u16>(y, scaleBits(d), 80)
  store<u16>(y, scaleBits(m), 82)
  const storedScale = floatOfHalf(load<u16>(y, 80))
  const storedMinimum = floatOfHalf(load<u16>(y, 82))
  for (let j = 0; j < 16; j++) {
    store<u8>(y + j, load<u8>(SCALE_CODES + j) | (load<u8>(MINIMUM_CODES + j) << 4))
    const packed = load<u8>(y + j)
    requantize(x + (<usize>j << 6), j, 16, storedScale * <f32>(packed & 15), storedMinimum * <f32>(packed >> 4), 0, 3)
  }
  packQuarters(y + 16)
}

export function encodeQ2_K(x: usize, count: i32, to: usize): i32 {
  if (hasNonFinite(x, count)) return 1
  for (const end = x + (<usize>count << 2); x < end; x += 1024, to += 84) encode(x, 0, to)
  return 0
}

export function encodeWeightedQ2_K(x: usize, rows: i32, columns: i32, to: usize, importance: usize): i32 {
  if (hasNonFinite(x, rows * columns)) return 1
  for (let row = 0; row < rows; row++) {
    for (let i: usize = 0; i < <usize>columns << 2; i += 1024, x += 1024, to += 84) encode(x, importance + i, to)
  }
  return 0
}

export function decodeQ2_K(blocks: usize, count: i32, values: usize): void {
  let y = blocks
  for (const end = values + (<usize>count << 2); values < end; values += 1024, y += 84) {
    const d = floatOfHalf(load<u16>(y, 80))
    const m = floatOfHalf(load<u16>(y, 82))
    for (let j = 0; j < 16; j++) {
      const packed = load<u8>(y + j)
      const scale = f32x4.splat(d * <f32>(packed & 15))
      const offset = f32x4.splat(-(m * <f32>(packed >> 4)))
      storeAffine(values + (<usize>j << 6), quarters(y + 16, j), scale, offset)
    }
  }
}
