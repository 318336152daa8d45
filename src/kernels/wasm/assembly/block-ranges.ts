// The ranges of four blocks of 32 side by side, one in each lane; for Q4_1 and Q5_1.
import { INFINITY_BITS, largestF32, magnitudeBits, smallestF32 } from './lanes'

/** Before they are combined: four vectors each. Then one f32 for each block. */
export const HIGHS: usize = memory.data(64, 16)
export const LOWS: usize = memory.data(64, 16)

/** The largest of each vector, as signed integers: of `a` in lane 0, `b` in 1, `c` in 2, `d` in 3. */
@inline
function largestOfEachS(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = i32x4.max_s(v128.shuffle<i32>(a, b, 0, 4, 1, 5), v128.shuffle<i32>(a, b, 2, 6, 3, 7))
  const cd = i32x4.max_s(v128.shuffle<i32>(c, d, 0, 4, 1, 5), v128.shuffle<i32>(c, d, 2, 6, 3, 7))
  return i32x4.max_s(v128.shuffle<i64>(ab, cd, 0, 2), v128.shuffle<i64>(ab, cd, 1, 3))
}

@inline
function largestOfEachU(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = i32x4.max_u(v128.shuffle<i32>(a, b, 0, 4, 1, 5), v128.shuffle<i32>(a, b, 2, 6, 3, 7))
  const cd = i32x4.max_u(v128.shuffle<i32>(c, d, 0, 4, 1, 5), v128.shuffle<i32>(c, d, 2, 6, 3, 7))
  return i32x4.max_u(v128.shuffle<i64>(ab, cd, 0, 2), v128.shuffle<i64>(ab, cd, 1, 3))
}

/** Range of a block in which all elements have one sign or are 0. */
function findOneSided(x: usize, lane: usize): void {
  let high = v128.load(x)
  let low = high
  for (let i: usize = 16; i < 128; i += 16) {
    high = f32x4.pmax(high, v128.load(x + i))
    low = f32x4.pmin(low, v128.load(x + i))
  }
  store<f32>(HIGHS + lane, largestF32(high))
  let least = smallestF32(low)
  // Which zero comes first decides the sign of a minimum of 0.
  for (let i: usize = 0; i < 128 && least == 0; i += 4) {
    if (load<f32>(x + i) == 0) {
      least = load<f32>(x + i)
      break
    }
  }
  store<f32>(LOWS + lane, least)
}

/**
 * Sets HIGHS and LOWS for the first `many` of four blocks at x, the last of them in the lanes left; false when an element is not
 * finite. As integers positive floats are in their order and above all negative ones, as unsigned integers it is the other
 * way round: two maxima, in which infinity and NaN show as well.
 */
@inline
export function findRanges(x: usize, many: i32): bool {
  for (let k = 0; k < 4; k++) {
    const p = x + (<usize>min(k, many - 1) << 7)
    let high = v128.load(p)
    let low = high
    for (let i: usize = 16; i < 128; i += 16) {
      const v = v128.load(p + i)
      high = i32x4.max_s(high, v)
      low = i32x4.max_u(low, v)
    }
    v128.store(HIGHS + (<usize>k << 4), high)
    v128.store(LOWS + (<usize>k << 4), low)
  }
  const most = largestOfEachS(v128.load(HIGHS), v128.load(HIGHS, 16), v128.load(HIGHS, 32), v128.load(HIGHS, 48))
  const least = largestOfEachU(v128.load(LOWS), v128.load(LOWS, 16), v128.load(LOWS, 32), v128.load(LOWS, 48))
  // 0 where there is none of that sign.
  const high = v128.andnot(most, i32x4.shr_s(most, 31))
  const low = v128.and(least, i32x4.shr_s(least, 31))
  const depth = magnitudeBits(low)
  if (v128.any_true(i32x4.gt_s(i32x4.max_s(high, depth), i32x4.splat(INFINITY_BITS - 1)))) return false
  v128.store(HIGHS, high)
  v128.store(LOWS, low)
  if (!i32x4.all_true(i32x4.min_s(high, depth))) {
    for (let k = 0; k < many; k++) {
      const lane = <usize>k << 2
      if (load<u32>(HIGHS + lane) == 0 || load<u32>(LOWS + lane) << 1 == 0) findOneSided(x + (<usize>k << 7), lane)
    }
  }
  return true
}
