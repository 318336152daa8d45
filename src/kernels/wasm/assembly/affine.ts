// Affine integers; the rule is at `AffineParams`, the plain form in ../../reference/affine.ts.

import { packRow, unpackRow } from './bit-stream'
import { clipOf } from './clip'
import { positiveHalf } from './half'
import { INFINITY_BITS, largestF32, largestU32, MAGIC, magnitudeBits, narrowU8, smallestF32 } from './lanes'

/** Range of the group just looked at, always including 0. */
let rangeMin: f32 = 0
let rangeMax: f32 = 0

/** Sets the range of count values at x; false when one of them is not finite. */
@inline
function lookAt(x: usize, count: i32): bool {
  let min0 = f32x4.splat(0)
  let min1 = min0
  let max0 = min0
  let max1 = min0
  let bits0 = min0
  let bits1 = min0
  let p = x
  const end8 = x + (<usize>(count & ~7) << 2)
  for (; p < end8; p += 32) {
    const a = v128.load(p)
    const b = v128.load(p, 16)
    min0 = f32x4.pmin(min0, a)
    min1 = f32x4.pmin(min1, b)
    max0 = f32x4.pmax(max0, a)
    max1 = f32x4.pmax(max1, b)
    bits0 = i32x4.max_u(bits0, magnitudeBits(a))
    bits1 = i32x4.max_u(bits1, magnitudeBits(b))
  }
  let min = smallestF32(f32x4.pmin(min0, min1))
  let max = largestF32(f32x4.pmax(max0, max1))
  let bits = largestU32(i32x4.max_u(bits0, bits1))
  for (const end = x + (<usize>count << 2); p < end; p += 4) {
    const v = load<f32>(p)
    if (v < min) min = v
    if (v > max) max = v
    const magnitude = reinterpret<u32>(v) & 0x7fffffff
    if (magnitude > bits) bits = magnitude
  }
  rangeMin = min
  rangeMax = max
  return bits < INFINITY_BITS
}

/** Least and largest of count values, and 0, as two f32 at `result`; 1 when one is not finite. */
export function findRange(x: usize, count: i32, result: usize): i32 {
  if (!lookAt(x, count)) return 1
  store<f32>(result, rangeMin)
  store<f32>(result, rangeMax, 4)
  return 0
}

/** Grid of the group just looked at: what weights are divided by, the same as a half, and the zero point. */
let gridStep: f32 = 1
let gridScale: f32 = 1
let gridZero: f32 = 0

/** The f32 step nearest to `exact` by which the largest weight rounds as it does in f64. */
@inline
function settleTie(exact: f32, largest: f32, levels: f32): f32 {
  const wanted = <f32>nearest(<f64>largest / ((<f64>largest + <f64>largest) / <f64>levels))
  let step = exact
  while (true) {
    const rounded = nearest(largest / step)
    if (rounded == wanted) return step
    step = reinterpret<f32>(reinterpret<u32>(step) + (rounded > wanted ? 1 : -1))
  }
}

@inline
function fitGrid(levels: f32, isSymmetric: bool): void {
  const largest = max(-rangeMin, rangeMax)
  const width: f32 = isSymmetric ? largest + largest : rangeMax - rangeMin
  const exact = width / levels
  const scale: f32 = width == 0 ? <f32>1 : positiveHalf(exact)
  let step = scale
  if (exact >= <f32>6.103515625e-5 && exact <= <f32>65504) {
    step = isSymmetric ? settleTie(exact, largest, levels) : exact
  }
  gridScale = scale
  gridStep = step
  gridZero = isSymmetric ? (levels + <f32>1) * <f32>0.5 : min(levels, nearest(-rangeMin / step))
}

/**
 * Codes of count values as bytes at `codes`, up to 15 more than asked for. The rounded quotient is clamped while MAGIC is
 * still added to it: the low bits of [MAGIC - zero, MAGIC + levels - zero] are the codes 0 .. levels.
 */
@inline
function encode(x: usize, count: i32, codes: usize, levels: f32): void {
  const step = f32x4.splat(gridStep)
  const magic = f32x4.splat(MAGIC)
  const low = f32x4.splat(MAGIC - gridZero)
  const high = f32x4.splat(MAGIC + levels - gridZero)
  for (let i: usize = 0; i < <usize>count; i += 16) {
    const p = x + (i << 2)
    const a = f32x4.pmin(high, f32x4.pmax(low, f32x4.add(f32x4.div(v128.load(p), step), magic)))
    const b = f32x4.pmin(high, f32x4.pmax(low, f32x4.add(f32x4.div(v128.load(p, 16), step), magic)))
    const c = f32x4.pmin(high, f32x4.pmax(low, f32x4.add(f32x4.div(v128.load(p, 32), step), magic)))
    const d = f32x4.pmin(high, f32x4.pmax(low, f32x4.add(f32x4.div(v128.load(p, 48), step), magic)))
    v128.store(codes + i, narrowU8(i32x4.sub(a, low), i32x4.sub(b, low), i32x4.sub(c, low), i32x4.sub(d, low)))
  }
}

/**
 * Codes, scales and zero points of [rows, columns] at x. `group` columns share a grid; with isWhole all do, and its range
 * is [wholeMin, wholeMax]; with isClipped the range of each group is searched for. `rowCodes` has room for one row of
 * bytes, `units` for one of f32 where ranges are searched for. Returns 1 when a value is not finite.
 */
export function quantizeAffine(
  x: usize, rows: i32, columns: i32, group: i32, bits: i32, isSymmetric: bool,
  isWhole: bool, wholeMin: f32, wholeMax: f32, isClipped: bool,
  codes: usize, scales: usize, zeroPoints: usize, rowCodes: usize, units: usize,
): i32 {
  const levels = <f32>((1 << bits) - 1)
  const rowBytes = <usize>((columns * bits + 7) >> 3)
  let scaleAt = scales
  let zeroAt = zeroPoints
  if (isWhole) {
    rangeMin = wholeMin
    rangeMax = wholeMax
    fitGrid(levels, isSymmetric)
    store<f32>(scaleAt, gridScale)
    store<u8>(zeroAt, <u8>gridZero)
  }
  for (let row = 0; row < rows; row++) {
    const rowAt = x + ((<usize>row * columns) << 2)
    for (let start = 0; start < columns; start += group) {
      const count = min(group, columns - start)
      const p = rowAt + (<usize>start << 2)
      if (!isWhole) {
        if (!lookAt(p, count)) return 1
        if (isClipped) {
          const clip = clipOf(p, count, rangeMin, rangeMax, levels, isSymmetric, units)
          rangeMin *= clip
          rangeMax *= clip
        }
        fitGrid(levels, isSymmetric)
        store<f32>(scaleAt, gridScale)
        store<u8>(zeroAt++, <u8>gridZero)
        scaleAt += 4
      }
      encode(p, count, rowCodes + start, levels)
    }
    packRow(rowCodes, columns, bits, codes + <usize>row * rowBytes)
  }
  return 0
}

/** Values of [rows, columns] from what `quantizeAffine` wrote; writes up to 15 values past the end. */
export function dequantizeAffine(
  codes: usize, scales: usize, zeroPoints: usize, rows: i32, columns: i32, group: i32, bits: i32, isWhole: bool,
  values: usize, rowCodes: usize,
): void {
  const rowBytes = <usize>((columns * bits + 7) >> 3)
  let scaleAt = scales
  let zeroAt = zeroPoints
  let to = values
  for (let row = 0; row < rows; row++) {
    unpackRow(codes + <usize>row * rowBytes, columns, bits, rowCodes)
    for (let start = 0; start < columns; start += group) {
      const count = min(group, columns - start)
      const scale = v128.load32_splat(scaleAt)
      const zero = i16x8.splat(load<u8>(zeroAt))
      if (!isWhole) {
        scaleAt += 4
        zeroAt++
      }
      for (let i = 0; i < count; i += 16) {
        const bytes = v128.load(rowCodes + start + i)
        const low = i16x8.sub(i16x8.extend_low_i8x16_u(bytes), zero)
        const high = i16x8.sub(i16x8.extend_high_i8x16_u(bytes), zero)
        const p = to + (<usize>i << 2)
        v128.store(p, f32x4.mul(scale, f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(low))))
        v128.store(p, f32x4.mul(scale, f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(low))), 16)
        v128.store(p, f32x4.mul(scale, f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(high))), 32)
        v128.store(p, f32x4.mul(scale, f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(high))), 48)
      }
      to += <usize>count << 2
    }
  }
}
