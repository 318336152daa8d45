// Q4_K and Q5_K; plain form in ../../reference/ggml/q4-k.ts.
import { floatOfHalf } from './half'
import { hasNonFinite, nearestInt, storeAffine } from './lanes'
import {
  CODES,
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
import { searchQ4_K, searchQ5_K, searchWeighted32x15, searchWeighted32x31 } from './search.generated'
import { floatAt, largestOf, requantize, scaleBits, searchPositive } from './super-block'

/** Values as codes 0 .. 63 of the largest, and that unit. */
@inline
function share(values: usize, codes: usize): f32 {
  const largest = largestOf(values, 8)
  const inverse: f32 = largest > 0 ? <f32>63 / largest : 0
  for (let j = 0; j < 8; j++) store<u8>(codes + j, min(63, nearestInt(inverse * floatAt(values, j)) & 255))
  return largest / <f32>63
}

/** WEIGHTS = root mean square of the sub-block + |x|, for both groups of four. */
@inline
function weighByMagnitude(): void {
  for (let group: usize = 0; group < 1024; group += 512) {
    let sum = f32x4.splat(0)
    for (let i: usize = 0; i < 512; i += 16) {
      const x = v128.load(VALUES + group + i)
      sum = f32x4.add(sum, f32x4.mul(x, x))
    }
    const root = f32x4.sqrt(f32x4.div(sum, f32x4.splat(32)))
    for (let i: usize = 0; i < 512; i += 16) {
      v128.store(WEIGHTS + group + i, f32x4.add(root, f32x4.abs(v128.load(VALUES + group + i))))
    }
  }
}

/** Scales and minimums of 6 bits in 12 bytes; see `writeScalesAndMinimums` of the reference. */
@inline
function packScales(y: usize): void {
  for (let j = 0; j < 4; j++) {
    const scale = load<u8>(SCALE_CODES + j, 4)
    const minimum = load<u8>(MINIMUM_CODES + j, 4)
    store<u8>(y + j, load<u8>(SCALE_CODES + j) | ((scale >> 4) << 6))
    store<u8>(y + j, load<u8>(MINIMUM_CODES + j) | ((minimum >> 4) << 6), 4)
    store<u8>(y + j, (scale & 15) | ((minimum & 15) << 4), 8)
  }
}

@inline
function packedScale(y: usize, j: i32): i32 {
  if (j < 4) return load<u8>(y + j) & 63
  return (load<u8>(y + j, 4) & 15) | ((load<u8>(y + j - 4) >> 6) << 4)
}

@inline
function packedMinimum(y: usize, j: i32): i32 {
  if (j < 4) return load<u8>(y + j, 4) & 63
  return (load<u8>(y + j, 4) >> 4) | ((load<u8>(y + j) >> 6) << 4)
}

/** Scales, minimums and codes of a super-block; `importance` is 0 without one. Writes the first 16 bytes and CODES. */
@inline
function encode(x: usize, importance: usize, y: usize, isFive: bool): void {
  transpose(VALUES, x, 32, 128)
  transpose(VALUES + 512, x + 512, 32, 128)
  if (importance != 0) {
    weigh(x, importance, (<f32>2 * squareSum(x, 256)) / <f32>256, 1024, ROW_WEIGHTS)
    transpose(WEIGHTS, ROW_WEIGHTS, 32, 128)
    transpose(WEIGHTS + 512, ROW_WEIGHTS + 512, 32, 128)
    sumWeights(WEIGHTS, 32, WEIGHT_SUMS)
    sumWeights(WEIGHTS + 512, 32, WEIGHT_SUMS + 16)
    if (isFive) searchWeighted32x31()
    else searchWeighted32x15()
  } else {
    weighByMagnitude()
    if (isFive) searchQ5_K()
    else searchQ4_K()
  }
  const isWeighted = importance != 0
  const d = isWeighted ? searchPositive(SCALES, WEIGHT_SUMS, 8, 63, SCALE_CODES) : share(SCALES, SCALE_CODES)
  const m = isWeighted ? searchPositive(MINIMUMS, WEIGHT_SUMS, 8, 63, MINIMUM_CODES) : share(MINIMUMS, MINIMUM_CODES)
  // ggml-quants.c bounds these for Q5_K alone: codes of negative scales, which wrap.
  if (isFive && isWeighted) {
    for (let j = 0; j < 8; j++) store<u8>(SCALE_CODES + j, <u8>min(63, <u32>load<u8>(SCALE_CODES + j)))
    for (let j = 0; j < 8; j++) store<u8>(MINIMUM_CODES + j, <u8>min(63, <u32>load<u8>(MINIMUM_CODES + j)))
  }
  store<u16>(y, scaleBits(d))
  store<u16>(y, scaleBits(m), 2)
  packScales(y + 4)
  const storedScale = floatOfHalf(load<u16>(y))
  const storedMinimum = floatOfHalf(load<u16>(y, 2))
  for (let j = 0; j < 8; j++) {
    const scale: f32 = storedScale * <f32>packedScale(y + 4, j)
    const minimum: f32 = storedMinimum * <f32>packedMinimum(y + 4, j)
    requantize(x + (<usize>j << 7), j, 32, scale, minimum, 0, isFive ? 31 : 15)
  }
}

/** Low 4 bits of CODES: byte 32 c + l holds elements 64 c + l and 64 c + 32 + l. */
@inline
function packHalves(to: usize): void {
  const low = i8x16.splat(15)
  for (let chunk: usize = 0; chunk < 4; chunk++) {
    for (let l: usize = 0; l < 32; l += 16) {
      const p = CODES + chunk * 64 + l
      v128.store(to + chunk * 32 + l, v128.or(v128.and(v128.load(p), low), i8x16.shl(v128.load(p, 32), 4)))
    }
  }
}

/** Fifth bits of CODES: element e is bit e / 32 of byte e % 32. */
@inline
function packFifthBits(to: usize): void {
  for (let l: usize = 0; l < 32; l += 16) {
    let bits = i8x16.splat(0)
    for (let k = 0; k < 8; k++) {
      bits = v128.or(bits, i8x16.shl(i8x16.shr_u(v128.load(CODES + (<usize>k << 5) + l), 4), k))
    }
    v128.store(to + l, bits)
  }
}

function encodeFour(x: usize, importance: usize, y: usize): void {
  encode(x, importance, y, false)
  packHalves(y + 16)
}

function encodeFive(x: usize, importance: usize, y: usize): void {
  encode(x, importance, y, true)
  packFifthBits(y + 16)
  packHalves(y + 48)
}

export function encodeQ4_K(x: usize, count: i32, to: usize): i32 {
  if (hasNonFinite(x, count)) return 1
  for (const end = x + (<usize>count << 2); x < end; x += 1024, to += 144) encodeFour(x, 0, to)
  return 0
}

export function encodeWeightedQ4_K(x: usize, rows: i32, columns: i32, to: usize, importance: usize): i32 {
  if (hasNonFinite(x, rows * columns)) return 1
  for (let row = 0; row < rows; row++) {
    for (let i: usize = 0; i < <usize>columns << 2; i += 1024, x += 1024, to += 144) encodeFour(x, importance + i, to)
  }
  return 0
}

export function encodeQ5_K(x: usize, count: i32, to: usize): i32 {
  if (hasNonFinite(x, count)) return 1
  for (const end = x + (<usize>count << 2); x < end; x += 1024, to += 176) encodeFive(x, 0, to)
  return 0
}

export function encodeWeightedQ5_K(x: usize, rows: i32, columns: i32, to: usize, importance: usize): i32 {
  if (hasNonFinite(x, rows * columns)) return 1
  for (let row = 0; row < rows; row++) {
    for (let i: usize = 0; i < <usize>columns << 2; i += 1024, x += 1024, to += 176) encodeFive(x, importance + i, to)
  }
  return 0
}

@inline
function decode(y: usize, halves: usize, values: usize, isFive: bool): void {
  const d = floatOfHalf(load<u16>(y))
  const m = floatOfHalf(load<u16>(y, 2))
  for (let j = 0; j < 8; j++) {
    const scale = f32x4.splat(d * <f32>packedScale(y + 4, j))
    const offset = f32x4.splat(-(m * <f32>packedMinimum(y + 4, j)))
    for (let l: usize = 0; l < 32; l += 16) {
      const bytes = v128.load(halves + <usize>(32 * (j >> 1)) + l)
      let codes = v128.and(i8x16.shr_u(bytes, 4 * (j & 1)), i8x16.splat(15))
      if (isFive) {
        const fifth = v128.and(i8x16.shr_u(v128.load(y + 16 + l), j), i8x16.splat(1))
        codes = v128.or(codes, i8x16.shl(fifth, 4))
      }
      storeAffine(values + (<usize>j << 7) + (l << 2), codes, scale, offset)
    }
  }
}

export function decodeQ4_K(blocks: usize, count: i32, values: usize): void {
  let y = blocks
  for (const end = values + (<usize>count << 2); values < end; values += 1024, y += 144) decode(y, y + 16, values, false)
}

export function decodeQ5_K(blocks: usize, count: i32, values: usize): void {
  let y = blocks
  for (const end = values + (<usize>count << 2); values < end; values += 1024, y += 176) decode(y, y + 48, values, true)
}
