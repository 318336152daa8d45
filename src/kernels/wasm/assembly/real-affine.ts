// Affine codes with zero points that are halves; the rules are at `RealAffineFit`, the plain form in
// ../../reference/real-affine.ts.

import { packRow, unpackRow } from './bit-stream'
import { fitHalfQuadratic } from './half-quadratic'
import { floatOfHalf, halfBits, positiveHalf } from './half'
import { firstLanes, hasNonFinite, largestF32, MAGIC, MAGIC_BITS, narrowU8, smallestF32 } from './lanes'
import { packTrits, unpackTrits } from './trits'

/** Range and grid of the group just looked at. */
let least: f32 = 0
let most: f32 = 0
let gridScale: f32 = 1
let gridZero: f32 = 0

@inline
function lookAt(x: usize, count: i32): void {
  let low = f32x4.splat(Infinity)
  let high = f32x4.splat(-Infinity)
  let i: usize = 0
  for (; i < <usize>(count & ~3) << 2; i += 16) {
    const v = v128.load(x + i)
    low = f32x4.pmin(low, v)
    high = f32x4.pmax(high, v)
  }
  least = smallestF32(low)
  most = largestF32(high)
  for (; i < <usize>count << 2; i += 4) {
    least = min(least, load<f32>(x + i))
    most = max(most, load<f32>(x + i))
  }
}

/** SUM of w - center, or of its magnitude. */
@inline
function sumOf(x: usize, count: i32, center: f32, isMagnitude: bool): f64 {
  const centers = f32x4.splat(center)
  let low = f64x2.splat(0)
  let high = f64x2.splat(0)
  for (let i = 0; i < count; i += 4) {
    let v = f32x4.sub(v128.load(x + (<usize>i << 2)), centers)
    if (isMagnitude) v = f32x4.abs(v)
    if (i + 4 > count) v = v128.and(v, firstLanes(count - i))
    low = f64x2.add(low, f64x2.promote_low_f32x4(v))
    high = f64x2.add(high, f64x2.promote_low_f32x4(v128.shuffle<i64>(v, v, 1, 0)))
  }
  const left = f64x2.extract_lane(low, 0) + f64x2.extract_lane(low, 1)
  return left + (f64x2.extract_lane(high, 0) + f64x2.extract_lane(high, 1))
}

@inline
function heldZero(zero: f32): f32 {
  return floatOfHalf(halfBits(min(<f32>65504, max(<f32>-65504, zero))))
}

@inline
function fitGrid(x: usize, count: i32, levels: f32, isSymmetric: bool, isHalfQuadratic: bool, units: usize): void {
  lookAt(x, count)
  const smallest: f32 = isSymmetric ? <f32>0 : max(abs(least), abs(most)) / <f32>2048
  if (isHalfQuadratic) {
    const width = most - least
    gridScale = positiveHalf(max(smallest, width / levels))
    const shift: f32 = width == Infinity ? <f32>0 : fitHalfQuadratic(x, count, least, gridScale, levels, units)
    gridZero = heldZero(shift - least / gridScale)
    return
  }
  const center: f32 = isSymmetric ? <f32>0 : <f32>(sumOf(x, count, 0, false) / <f64>count)
  const mean = <f32>(sumOf(x, count, center, true) / <f64>count)
  gridScale = positiveHalf(max(smallest, levels == 1 ? mean + mean : mean))
  const middle = levels * <f32>0.5
  gridZero = isSymmetric ? middle : heldZero(middle - center / gridScale)
}

@inline
function codesOf(p: usize, scale: v128, zero: v128, top: v128): v128 {
  const place = f32x4.add(f32x4.div(v128.load(p), scale), zero)
  const within = f32x4.pmin(top, f32x4.pmax(f32x4.splat(0), place))
  return i32x4.sub(f32x4.add(within, f32x4.splat(MAGIC)), i32x4.splat(MAGIC_BITS))
}

/**
 * Codes, scales and zero points of [rows, columns] at x; codes are 0 .. top. Symmetric grids write no zero points. `rowCodes`
 * has room for one row of bytes, `units` for one of f32. Returns 1 when a value is not finite.
 */
export function quantizeRealAffine(
  x: usize, rows: i32, columns: i32, group: i32, top: i32, isSymmetric: bool, isHalfQuadratic: bool,
  codes: usize, scales: usize, zeroPoints: usize, rowCodes: usize, units: usize,
): i32 {
  if (hasNonFinite(x, rows * columns)) return 1
  const levels = <f32>top
  let codesAt = codes
  let scaleAt = scales
  let zeroAt = zeroPoints
  for (let row = 0; row < rows; row++) {
    const rowAt = x + ((<usize>row * columns) << 2)
    for (let start = 0; start < columns; start += group) {
      const count = min(group, columns - start)
      const p = rowAt + (<usize>start << 2)
      fitGrid(p, count, levels, isSymmetric, isHalfQuadratic, units)
      store<f32>(scaleAt, gridScale)
      scaleAt += 4
      if (!isSymmetric) {
        store<f32>(zeroAt, gridZero)
        zeroAt += 4
      }
      const scale = f32x4.splat(gridScale)
      const zero = f32x4.splat(gridZero)
      const last = f32x4.splat(levels)
      for (let i: usize = 0; i < <usize>count; i += 16) {
        const at = p + (i << 2)
        const a = codesOf(at, scale, zero, last)
        const b = codesOf(at + 16, scale, zero, last)
        const c = codesOf(at + 32, scale, zero, last)
        const d = codesOf(at + 48, scale, zero, last)
        v128.store(rowCodes + start + i, narrowU8(a, b, c, d))
      }
    }
    codesAt = packLevels(rowCodes, columns, top, codesAt)
  }
  return 0
}

/** Packs a row and returns where the next one goes. */
@inline
function packLevels(rowCodes: usize, columns: i32, top: i32, target: usize): usize {
  if (top == 2) {
    packTrits(rowCodes, columns, target)
    return target + <usize>((columns + 4) / 5)
  }
  const bits = 32 - clz(top)
  packRow(rowCodes, columns, bits, target)
  return target + <usize>((columns * bits + 7) >> 3)
}

/** Values of [rows, columns] from what `quantizeRealAffine` wrote; writes up to 15 values past the end. */
export function dequantizeRealAffine(
  codes: usize, scales: usize, zeroPoints: usize, rows: i32, columns: i32, group: i32, top: i32, isSymmetric: bool,
  values: usize, rowCodes: usize,
): void {
  const bits = 32 - clz(top)
  const rowBytes = top == 2 ? <usize>((columns + 4) / 5) : <usize>((columns * bits + 7) >> 3)
  const middle = <f32>top * <f32>0.5
  let scaleAt = scales
  let zeroAt = zeroPoints
  let to = values
  for (let row = 0; row < rows; row++) {
    const source = codes + <usize>row * rowBytes
    if (top == 2) unpackTrits(source, columns, rowCodes)
    else unpackRow(source, columns, bits, rowCodes)
    for (let start = 0; start < columns; start += group) {
      const count = min(group, columns - start)
      const scale = v128.load32_splat(scaleAt)
      const zero = isSymmetric ? f32x4.splat(middle) : v128.load32_splat(zeroAt)
      scaleAt += 4
      zeroAt += 4
      for (let i = 0; i < count; i += 8) {
        const wide = v128.load8x8_u(rowCodes + start + i)
        const low = f32x4.convert_i32x4_u(i32x4.extend_low_i16x8_u(wide))
        const high = f32x4.convert_i32x4_u(i32x4.extend_high_i16x8_u(wide))
        const p = to + (<usize>i << 2)
        v128.store(p, f32x4.mul(scale, f32x4.sub(low, zero)))
        v128.store(p, f32x4.mul(scale, f32x4.sub(high, zero)), 16)
      }
      to += <usize>count << 2
    }
  }
}
