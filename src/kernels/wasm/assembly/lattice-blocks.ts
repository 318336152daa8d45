// Steps that the IQ2 and IQ3 types share around the search of lattice.template.mjs; plain form in
// ../../reference/ggml/lattice-blocks.ts.
import { largestF32, nearestInt } from './lanes'
import { PRODUCTS, ROOTS, SCALES, SIGNS, VALUES, WEIGHTS } from './scratch'
import { floatAt } from './super-block'

/** The weight of 8 from byte `i` on that counts least, the first one, gives up its sign. */
function giveUpSign(i: usize): u32 {
  let least: usize = 0
  let cost: f32 = load<f32>(PRODUCTS + i) * load<f32>(VALUES + i)
  for (let k: usize = 1; k < 8; k++) {
    const own: f32 = load<f32>(PRODUCTS + i + (k << 2)) * load<f32>(VALUES + i + (k << 2))
    if (own < cost) {
      cost = own
      least = k
    }
  }
  const at = i + (least << 2)
  store<f32>(VALUES + at, -load<f32>(VALUES + at))
  store<f32>(PRODUCTS + at, -load<f32>(PRODUCTS + at))
  return 1 << <u32>least
}

/** A super-block at x, its weights in WEIGHTS: magnitudes in VALUES, weight * magnitude in PRODUCTS, ROOTS and SIGNS. */
export function splitSigns(x: usize, isEvenSigned: bool): void {
  const zero = f32x4.splat(0)
  for (let i: usize = 0; i < 1024; i += 32) {
    let signs: u32 = 0
    for (let j: usize = 0; j < 32; j += 16) {
      const v = v128.load(x + i + j)
      const weight = v128.load(WEIGHTS + i + j)
      const magnitude = f32x4.abs(v)
      signs |= <u32>i32x4.bitmask(f32x4.lt(v, zero)) << <u32>(j >> 2)
      v128.store(VALUES + i + j, magnitude)
      v128.store(PRODUCTS + i + j, f32x4.mul(weight, magnitude))
      v128.store(ROOTS + i + j, f32x4.sqrt(weight))
    }
    if (isEvenSigned && popcnt(signs) & 1) signs ^= giveUpSign(i)
    store<u8>(SIGNS + (i >> 5), signs)
  }
}

/** Largest of the `bytes` of VALUES from byte `from` on. */
@inline
export function peakOf(from: usize, bytes: usize): f32 {
  let peak = v128.load(VALUES + from)
  for (let i: usize = 16; i < bytes; i += 16) peak = f32x4.pmax(peak, v128.load(VALUES + from + i))
  return largestF32(peak)
}

/** Four bytes of signs from the group's first on, turned when its scale is negative. */
@inline
export function signsOf(group: usize, scale: f32): u32 {
  const signs = load<u32>(SIGNS + group)
  return scale < 0 ? ~signs : signs
}

/** Scale of a group as a code of the odd numbers 2 code + 1; `inverse` is 1 / unit. */
@inline
export function scaleCode(inverse: f32, group: i32): u32 {
  return <u32>min(15, max(0, nearestInt(<f32>0.5 * (inverse * floatAt(SCALES, group) - <f32>1))))
}

/** 16 scale codes in 8 bytes. */
@inline
export function storeScaleCodes(inverse: f32, to: usize): void {
  for (let j = 0; j < 8; j++) store<u8>(to + j, scaleCode(inverse, 2 * j) | (scaleCode(inverse, 2 * j + 1) << 4))
}

/** 7 signs and the eighth that makes their number even. */
@inline
export function evenSigns(seven: u32): u32 {
  return seven | ((popcnt(seven) & 1) << 7)
}

/** Bytes of the eight packed levels of a word, by a table of 16. */
@inline
export function levelBytes(word: u32, table: v128): v128 {
  const packed = i32x4.splat(word)
  const low = v128.and(packed, i8x16.splat(15))
  const high = i8x16.shr_u(packed, 4)
  const places = v128.shuffle<i8>(low, high, 0, 16, 1, 17, 2, 18, 3, 19, 0, 16, 1, 17, 2, 18, 3, 19)
  return i8x16.swizzle(table, places)
}

/** Four floats, the low 4 bits of `signs` as their signs. */
@inline
function withSigns(v: v128, signs: u32): v128 {
  const bits = i32x4.mul(i32x4.splat(signs), i32x4(1 << 31, 1 << 30, 1 << 29, 1 << 28))
  return v128.xor(v, v128.and(bits, i32x4.splat(1 << 31)))
}

/** Eight values: a packed point's levels by a table, times a scale, with signs. */
@inline
export function storeEight(values: usize, word: u32, table: v128, scale: f32, signs: u32): void {
  const levels = i16x8.extend_low_i8x16_u(levelBytes(word, table))
  const s = f32x4.splat(scale)
  v128.store(values, withSigns(f32x4.mul(s, f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(levels))), signs))
  v128.store(values, withSigns(f32x4.mul(s, f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(levels))), signs >> 4), 16)
}
