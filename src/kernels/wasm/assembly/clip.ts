// The clip search of the affine grid; the rule is at `clipSteps`, the plain form in ../../reference/clip.ts. Eight ranges are
// tried at once, one in each lane, so that every lane adds its errors in the order of the columns.

import { MAGIC } from './lanes'
import { raiseTo2p4 } from './power'

const STEPS: i32 = 80

/** p and 1 / p of each range that is tried. */
const CLIPS: usize = memory.data(320, 16)
const INVERSES: usize = memory.data(320, 16)
/** Errors of the eight that were just tried. */
const SUMS: usize = memory.data(32, 16)

let areListed: bool = false

function listClips(): void {
  for (let i = 0; i < STEPS; i++) {
    const p = <f32>(1.0 - <f64>i / 100.0)
    store<f32>(CLIPS + (<usize>i << 2), p)
    store<f32>(INVERSES + (<usize>i << 2), <f32>1 / p)
  }
  areListed = true
}

@inline
function errorOf(u: v128, p: v128, inverse: v128, low: v128, high: v128): v128 {
  const magic = f32x4.splat(MAGIC)
  const rounded = f32x4.sub(f32x4.add(f32x4.mul(u, inverse), magic), magic)
  const code = f32x4.pmin(high, f32x4.pmax(low, rounded))
  return raiseTo2p4(f32x4.abs(f32x4.sub(u, f32x4.mul(p, code))))
}

/**
 * What the range [least, most], which includes 0, of count finite values at x is multiplied by. `units` has room for them as
 * f32. Writes up to 3 values past its end.
 */
export function clipOf(x: usize, count: i32, least: f32, most: f32, levels: f32, isSymmetric: bool, units: usize): f32 {
  if (!areListed) listClips()
  const largest = max(-least, most)
  const width: f32 = isSymmetric ? largest + largest : most - least
  const step = width / levels
  if (step == 0 || step == Infinity) return 1
  const zero: f32 = isSymmetric ? (levels + <f32>1) * <f32>0.5 : min(levels, nearest(-least / step))
  const steps = f32x4.splat(step)
  const bytes = <usize>count << 2
  for (let i: usize = 0; i < bytes; i += 16) v128.store(units + i, f32x4.div(v128.load(x + i), steps))

  const low = f32x4.splat(-zero)
  const high = f32x4.splat(levels - zero)
  let best: f32 = Infinity
  let clip: f32 = 1
  for (let first: usize = 0; first < <usize>STEPS << 2; first += 32) {
    const p0 = v128.load(CLIPS + first)
    const p1 = v128.load(CLIPS + first, 16)
    const inverse0 = v128.load(INVERSES + first)
    const inverse1 = v128.load(INVERSES + first, 16)
    const limit = f32x4.splat(best)
    let sum0 = f32x4.splat(0)
    let sum1 = sum0
    let i: usize = 0
    while (i < bytes) {
      // Sums only grow: once all eight have reached the best, none of them wins.
      const end = min(bytes, i + 32)
      for (; i < end; i += 4) {
        const u = v128.load32_splat(units + i)
        sum0 = f32x4.add(sum0, errorOf(u, p0, inverse0, low, high))
        sum1 = f32x4.add(sum1, errorOf(u, p1, inverse1, low, high))
      }
      if (!v128.any_true(v128.or(f32x4.lt(sum0, limit), f32x4.lt(sum1, limit)))) break
    }
    v128.store(SUMS, sum0)
    v128.store(SUMS, sum1, 16)
    for (let lane: usize = 0; lane < 32; lane += 4) {
      const sum = load<f32>(SUMS + lane)
      if (sum < best) {
        best = sum
        clip = load<f32>(CLIPS + first + lane)
      }
    }
  }
  return clip
}
