// IQ4_NL and IQ4_XS; plain form in ../../reference/ggml/iq4.ts.
import { floatOfHalf } from './half'
import { places } from './iq4-levels'
import { hasNonFinite, inverseScale, nearestCode, storeScaled } from './lanes'
import { ROW_WEIGHTS, SCALES, squareSum, transposeBlocks, VALUES, weigh, weighBySquares, WEIGHTS } from './scratch'
import { searchLevels } from './search.generated'
import { floatAt, largestSigned, scaleBits } from './super-block'

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
    searchLevels(0)
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
    searchLevels(half * 16)
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
