// Q3_K; plain form in ../../reference/ggml/q3-k.ts.
import { floatOfHalf } from './half'
import { hasNonFinite, storeScaled } from './lanes'
import {
  CODES,
  LEVELS,
  multiplyWeights,
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
import { descendQ3_K, searchSigned16x4 } from './search.generated'
import { largestOf16, searchSigned16, storeCodes16 } from './sixteen-scales'
import { packQuarters, quarters, requantize, scaleBits } from './super-block'

/** Codes of sub-block j as the descent left them. */
@inline
function descended(j: i32): void {
  const levels = LEVELS + <usize>((j >> 2) * 256 + (j & 3) * 4)
  for (let i: usize = 0; i < 16; i++) store<u8>(CODES + (<usize>j << 4) + i, <u8>(<i32>load<f32>(levels + (i << 4)) + 4))
}

/** Searches without importance; returns the unit of the scales. */
@inline
function searchByDescent(x: usize): f32 {
  for (let group: usize = 0; group < 1024; group += 256) transpose(VALUES + group, x + group, 16, 64)
  descendQ3_K()
  const largest = largestOf16(SCALES)
  if (largest == 0) {
    v128.store(SCALE_CODES, i8x16.splat(0))
    return 0
  }
  const inverse: f32 = <f32>-32 / largest
  storeCodes16(SCALES, inverse, 32, SCALE_CODES)
  return <f32>1 / inverse
}

@inline
function searchByImportance(x: usize, importance: usize): f32 {
  weigh(x, importance, (<f32>2 * squareSum(x, 256)) / <f32>256, 1024, ROW_WEIGHTS)
  for (let group: usize = 0; group < 4; group++) {
    transpose(VALUES, x + group * 256, 16, 64)
    transpose(WEIGHTS, ROW_WEIGHTS + group * 256, 16, 64)
    multiplyWeights(256)
    sumWeights(WEIGHTS, 16, WEIGHT_SUMS + group * 16)
    searchSigned16x4(group * 16)
  }
  return searchSigned16(SCALES, WEIGHT_SUMS, 32, SCALE_CODES)
}

/** 16 scale codes of 6 bits: four low bits of j and of j + 8 a byte, then two high bits of j, j + 4, j + 8 and j + 12 a byte. */
@inline
function packScales(to: usize): void {
  const first = load<u64>(SCALE_CODES)
  const second = load<u64>(SCALE_CODES, 8)
  const four: u64 = 0x0f0f0f0f0f0f0f0f
  store<u64>(to, (first & four) | ((second & four) << 4))
  const two: u64 = 0x0303030303030303
  const high = ((first >> 4) & two) | (((second >> 4) & two) << 4)
  store<u32>(to, <u32>high | (<u32>(high >> 32) << 2), 8)
}

/** `importance` is 0 without one. */
function encode(x: usize, importance: usize, y: usize): void {
  const unit = importance != 0 ? searchByImportance(x, importance) : searchByDescent(x)
  store<u16>(y, scaleBits(unit), 108)
  const d = floatOfHalf(load<u16>(y, 108))
  packScales(y + 96)
  for (let j = 0; j < 16; j++) {
    const scale: f32 = d * <f32>(<i32>load<u8>(SCALE_CODES + j) - 32)
    if (scale == 0 && importance == 0) descended(j)
    else requantize(x + (<usize>j << 6), j, 16, scale, 0, -4, 3)
  }
  packHighBits(y)
  packQuarters(y + 32)
}

/** Takes the third bit of every code out of CODES: element e is bit e / 32 of byte e % 32. */
@inline
function packHighBits(to: usize): void {
  let first = i8x16.splat(0)
  let second = i8x16.splat(0)
  const one = i8x16.splat(1)
  const three = i8x16.splat(3)
  for (let k = 0; k < 8; k++) {
    const p = CODES + (<usize>k << 5)
    const a = v128.load(p)
    const b = v128.load(p, 16)
    first = v128.or(first, i8x16.shl(v128.and(i8x16.shr_u(a, 2), one), k))
    second = v128.or(second, i8x16.shl(v128.and(i8x16.shr_u(b, 2), one), k))
    v128.store(p, v128.and(a, three))
    v128.store(p, v128.and(b, three), 16)
  }
  v128.store(to, first)
  v128.store(to, second, 16)
}

export function encodeQ3_K(x: usize, count: i32, to: usize): i32 {
  if (hasNonFinite(x, count)) return 1
  for (const end = x + (<usize>count << 2); x < end; x += 1024, to += 110) encode(x, 0, to)
  return 0
}

export function encodeWeightedQ3_K(x: usize, rows: i32, columns: i32, to: usize, importance: usize): i32 {
  if (hasNonFinite(x, rows * columns)) return 1
  for (let row = 0; row < rows; row++) {
    for (let i: usize = 0; i < <usize>columns << 2; i += 1024, x += 1024, to += 110) encode(x, importance + i, to)
  }
  return 0
}

export function decodeQ3_K(blocks: usize, count: i32, values: usize): void {
  let y = blocks
  for (const end = values + (<usize>count << 2); values < end; values += 1024, y += 110) {
    const d = floatOfHalf(load<u16>(y, 108))
    for (let j = 0; j < 16; j++) {
      const low = (load<u8>(y + 96 + (j & 7)) >> (4 * <u8>(j >> 3))) & 15
      const high = (load<u8>(y + 104 + (j & 3)) >> (2 * <u8>(j >> 2))) & 3
      const scale: f32 = d * <f32>(<i32>(low | (high << 4)) - 32)
      const bits = i8x16.shr_u(v128.load(y + <usize>(16 * (j & 1))), j >> 1)
      const third = i8x16.shl(v128.and(bits, i8x16.splat(1)), 2)
      const codes = i8x16.sub(v128.or(quarters(y + 32, j), third), i8x16.splat(4))
      storeScaled(values + (<usize>j << 6), codes, f32x4.splat(scale))
    }
  }
}
