// The zero point of a group by half-quadratic splitting; the rule is at `halfQuadratic`, the plain form in
// ../../reference/half-quadratic.ts.

import { firstLanes, MAGIC, sumLanes } from './lanes'
import { raiseToMinus0p3 } from './power'

const ITERATIONS: i32 = 20
/** Below it an error is shrunk to nothing in every iteration: |x|^1.3 < 1 / (beta kappa^20). */
const SHRUNK: f32 = 0.14

/** What the lp norm leaves of errors in steps. */
@inline
function shrink(size: v128, scale: v128, inverseBeta: v128): v128 {
  const lost = f32x4.div(f32x4.mul(inverseBeta, raiseToMinus0p3(f32x4.mul(size, scale))), scale)
  return f32x4.pmax(f32x4.splat(0), f32x4.sub(size, lost))
}

/** What is added to -least / scale, for count values at x. `units` has room for them as f32, and for 3 more. */
export function fitHalfQuadratic(x: usize, count: i32, least: f32, scale: f32, levels: f32, units: usize): f32 {
  const scales = f32x4.splat(scale)
  const bytes = <usize>count << 2
  for (let i: usize = 0; i < bytes; i += 16) {
    v128.store(units + i, f32x4.div(f32x4.sub(v128.load(x + i), f32x4.splat(least)), scales))
  }
  const zero = f32x4.splat(0)
  const top = f32x4.splat(levels)
  const magic = f32x4.splat(MAGIC)
  const signs = i32x4.splat(0x80000000)
  const inverseKappa = <f32>(1.0 / 1.01)
  let inverseBeta: f32 = 0.1
  let shift: f32 = 0
  let bestShift: f32 = 0
  let bestError: f32 = Infinity
  for (let iteration = 0; iteration < ITERATIONS; iteration++) {
    const shifts = f32x4.splat(shift)
    let errors = zero
    let wanted = zero
    for (let i: usize = 0; i < bytes; i += 16) {
      const u = v128.load(units + i)
      const place = f32x4.add(u, shifts)
      const within = f32x4.pmin(top, f32x4.pmax(zero, place))
      const code = f32x4.sub(f32x4.add(within, magic), magic)
      const error = f32x4.sub(place, code)
      let size = f32x4.abs(error)
      let want = f32x4.sub(code, u)
      if (v128.any_true(f32x4.gt(f32x4.mul(size, scales), f32x4.splat(SHRUNK)))) {
        const left = shrink(size, scales, f32x4.splat(inverseBeta))
        want = f32x4.add(want, v128.or(left, v128.and(error, signs)))
      }
      if (i + 16 > bytes) {
        const mask = firstLanes(<i32>((bytes - i) >> 2))
        size = v128.and(size, mask)
        want = v128.and(want, mask)
      }
      errors = f32x4.add(errors, size)
      wanted = f32x4.add(wanted, want)
    }
    const error = sumLanes(errors)
    if (!(error < bestError)) break
    bestError = error
    bestShift = shift
    shift = sumLanes(wanted) / <f32>count
    inverseBeta = inverseBeta * inverseKappa
  }
  return bestShift
}
