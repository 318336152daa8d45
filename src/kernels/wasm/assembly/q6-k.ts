// Q6_K; plain form in ../../reference/ggml/q6-k.ts.
import { floatOfHalf } from './half'
import { hasNonFinite, nearestInt, storeScaled } from './lanes'
import { CODES, multiplyWeights, SCALES, transpose, VALUES, WEIGHTS, weighBySquares, ZERO_BELOW } from './scratch'
import { searchSigned16x32 } from './search.generated'
import { largestOf16 } from './sixteen-scales'
import { floatAt, requantize, scaleBits } from './super-block'

/** `importance`, which is the weight itself, is 0 without one. */
function encode(x: usize, importance: usize, y: usize): void {
  for (let group: usize = 0; group < 4; group++) {
    transpose(VALUES, x + group * 256, 16, 64)
    if (importance != 0) transpose(WEIGHTS, importance + group * 256, 16, 64)
    else weighBySquares(256)
    multiplyWeights(256)
    searchSigned16x32(group * 16)
  }
  const largest = largestOf16(SCALES)
  if (abs(largest) < ZERO_BELOW) {
    memory.fill(y, 0, 210)
    return
  }
  const inverse: f32 = <f32>-128 / largest
  store<u16>(y, scaleBits(<f32>1 / inverse), 208)
  const d = floatOfHalf(load<u16>(y, 208))
  for (let j = 0; j < 16; j++) {
    store<i8>(y + j, min(127, nearestInt(inverse * floatAt(SCALES, j))), 192)
    requantize(x + (<usize>j << 6), j, 16, d * <f32>(<i32>load<i8>(y + j, 192)), 0, -32, 31)
  }
  const four = i8x16.splat(15)
  for (let half: usize = 0; half < 2; half++) {
    for (let l: usize = 0; l < 32; l += 16) {
      const p = CODES + half * 128 + l
      const a = v128.load(p)
      const b = v128.load(p, 32)
      const c = v128.load(p, 64)
      const e = v128.load(p, 96)
      v128.store(y + half * 64 + l, v128.or(v128.and(a, four), i8x16.shl(c, 4)))
      v128.store(y + half * 64 + 32 + l, v128.or(v128.and(b, four), i8x16.shl(e, 4)))
      const low = v128.or(i8x16.shr_u(a, 4), i8x16.shl(i8x16.shr_u(b, 4), 2))
      const high = v128.or(i8x16.shl(i8x16.shr_u(c, 4), 4), i8x16.shl(i8x16.shr_u(e, 4), 6))
      v128.store(y + 128 + half * 32 + l, v128.or(low, high))
    }
  }
}

export function encodeQ6_K(x: usize, count: i32, to: usize): i32 {
  if (hasNonFinite(x, count)) return 1
  for (const end = x + (<usize>count << 2); x < end; x += 1024, to += 210) encode(x, 0, to)
  return 0
}

export function encodeWeightedQ6_K(x: usize, rows: i32, columns: i32, to: usize, importance: usize): i32 {
  if (hasNonFinite(x, rows * columns)) return 1
  for (let row = 0; row < rows; row++) {
    for (let i: usize = 0; i < <usize>columns << 2; i += 1024, x += 1024, to += 210) encode(x, importance + i, to)
  }
  return 0
}

export function decodeQ6_K(blocks: usize, count: i32, values: usize): void {
  let y = blocks
  for (const end = values + (<usize>count << 2); values < end; values += 1024, y += 210) {
    const d = floatOfHalf(load<u16>(y, 208))
    for (let j = 0; j < 16; j++) {
      // Elements 16 j .. 16 j + 15 of quarter (j / 2) % 4 of half j / 8.
      const half = j >> 3
      const quarter = (j >> 1) & 3
      const part = 16 * (j & 1)
      const low = v128.load(y + <usize>(64 * half + 32 * (quarter & 1) + part))
      const high = v128.load(y + <usize>(128 + 32 * half + part))
      const lowBits = v128.and(i8x16.shr_u(low, 4 * (quarter >> 1)), i8x16.splat(15))
      const highBits = v128.and(i8x16.shr_u(high, 2 * quarter), i8x16.splat(3))
      const codes = i8x16.sub(v128.or(lowBits, i8x16.shl(highBits, 4)), i8x16.splat(32))
      storeScaled(values + (<usize>j << 6), codes, f32x4.splat(d * <f32>(<i32>load<i8>(y + j, 192))))
    }
  }
}
