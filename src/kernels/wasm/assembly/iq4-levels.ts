// Levels of IQ4_NL and IQ4_XS; plain form in ../../reference/ggml/iq4.ts.
import { MAGIC, MAGIC_BITS } from './lanes'

/**
 * Constants of `places`: midpoints between the levels on both sides of -9/2, doubled and from -9 on, as signed bytes; steps of the
 * halving; the side. In memory, since V8 builds a vector that is written in a loop anew in every turn, which a load is not.
 */
const MIDPOINTS: usize = memory.data<u8>([128, 151, 175, 200, 228, 3, 39, 83, 128, 151, 176, 203, 233, 11, 50, 94], 16)
const FOUR: usize = memory.data<u32>([0x04040404, 0x04040404, 0x04040404, 0x04040404], 16)
const TWO: usize = memory.data<u32>([0x02020202, 0x02020202, 0x02020202, 0x02020202], 16)
const ONE: usize = memory.data<u32>([0x01010101, 0x01010101, 0x01010101, 0x01010101], 16)
const EIGHT: usize = memory.data<u32>([0x08080808, 0x08080808, 0x08080808, 0x08080808], 16)
const SIGNS: usize = memory.data<u32>([0x80808080, 0x80808080, 0x80808080, 0x80808080], 16)
const MAGICS: usize = memory.data<f32>([MAGIC, MAGIC, MAGIC, MAGIC], 16)
const MAGICS_BELOW: usize = memory.data<i32>([MAGIC_BITS - 9, MAGIC_BITS - 9, MAGIC_BITS - 9, MAGIC_BITS - 9], 16)
const LEVELS: usize = memory.data<i8>([1, 13, 25, 38, 53, 69, 89, 113, -10, -22, -35, -49, -65, -83, -104, -127], 16)

/** floor(v) + 9 as i32. Floor first: 9 added to an f32 could round up. */
@inline
function shifted(v: v128): v128 {
  return i32x4.sub(f32x4.add(f32x4.floor(v), v128.load(MAGICS)), v128.load(MAGICS_BELOW))
}

/**
 * Places of the nearest levels for 16 values given doubled: bit 3 for those below -9/2, the midpoint between -10 and 1, and how
 * many midpoints on that side are passed, found by halving (doubled they are whole numbers, so floor and comparisons are exact
 * and a value on a midpoint takes the higher level).
 */
@inline
export function places(a: v128, b: v128, c: v128, d: v128): v128 {
  const low = i16x8.narrow_i32x4_s(shifted(a), shifted(b))
  const high = i16x8.narrow_i32x4_s(shifted(c), shifted(d))
  const lowSign = i16x8.shr_s(low, 15)
  const highSign = i16x8.shr_s(high, 15)
  // From -128 on: the comparison of signed bytes is one instruction.
  const distance = v128.xor(i8x16.narrow_i16x8_u(v128.xor(low, lowSign), v128.xor(high, highSign)), v128.load(SIGNS))
  let place = v128.and(i8x16.narrow_i16x8_s(lowSign, highSign), v128.load(EIGHT))
  place = passed(place, distance, v128.load(FOUR))
  place = passed(place, distance, v128.load(TWO))
  return passed(place, distance, v128.load(ONE))
}

@inline
function passed(place: v128, distance: v128, step: v128): v128 {
  const next = i8x16.add(place, step)
  const isAhead = i8x16.gt_s(i8x16.swizzle(v128.load(MIDPOINTS), next), distance)
  return i8x16.sub(next, v128.and(step, isAhead))
}

@inline
export function levelsOf(place: v128): v128 {
  return i8x16.swizzle(v128.load(LEVELS), place)
}
