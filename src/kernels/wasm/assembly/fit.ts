// Steps of an affine grid for error feedback: the rule is at `AffineSteps` of the contract.
import { clipOf } from './clip'
import { positiveHalf } from './half'
import { hasNonFinite, largestF32, smallestF32 } from './lanes'

/** What the last `fitGroup` found. */
export let fittedStep: f32 = 1
export let fittedZero: f32 = 0

/** Step and zero point for the range [low, high], which includes 0. */
@inline
function stepOfRange(low: f32, high: f32, bits: i32, isSymmetric: bool): void {
  const levels: f32 = <f32>((1 << bits) - 1)
  const half: f32 = <f32>(1 << (bits - 1))
  const largest: f32 = -low > high ? -low : high
  const width: f32 = isSymmetric ? largest + largest : high - low
  if (width == 0) {
    fittedStep = 1
    fittedZero = isSymmetric ? half : 0
    return
  }
  const exact: f32 = width / levels
  const step: f32 = exact >= <f32>6.103515625e-5 && exact <= <f32>65504 ? exact : positiveHalf(exact)
  fittedStep = step
  fittedZero = isSymmetric ? half : min<f32>(levels, nearest<f32>(-low / step))
}

/** Fits count floats at x, which are finite. `units` is room for them where the range is searched for, else 0. */
export function fitGroup(x: usize, count: i32, bits: i32, isSymmetric: bool, units: usize): void {
  let low4 = f32x4.splat(0)
  let high4 = low4
  let p = x
  for (const end = x + (<usize>(count & ~3) << 2); p < end; p += 16) {
    const v = v128.load(p)
    low4 = f32x4.pmin(low4, v)
    high4 = f32x4.pmax(high4, v)
  }
  let low = smallestF32(low4)
  let high = largestF32(high4)
  for (const end = x + (<usize>count << 2); p < end; p += 4) {
    const v = load<f32>(p)
    if (v < low) low = v
    if (v > high) high = v
  }
  if (units) {
    const clip = clipOf(x, count, low, high, <f32>((1 << bits) - 1), isSymmetric, units)
    low *= clip
    high *= clip
  }
  stepOfRange(low, high, bits, isSymmetric)
}

/** Steps and zero points of groups of [rows, columns] at x; `units` as at `fitGroup`. 1 when a weight is not finite. */
export function fitSteps(
  x: usize, rows: i32, columns: i32, group: i32, bits: i32, isSymmetric: i32,
  units: usize, steps: usize, zeros: usize,
): i32 {
  if (hasNonFinite(x, rows * columns)) return 1
  let at: usize = 0
  for (let row = 0; row < rows; row++) {
    for (let start = 0; start < columns; start += group) {
      fitGroup(x + (<usize>(row * columns + start) << 2), min(group, columns - start), bits, isSymmetric != 0, units)
      store<f32>(steps + at, fittedStep)
      store<f32>(zeros + at, fittedZero)
      at += 4
    }
  }
  return 0
}
