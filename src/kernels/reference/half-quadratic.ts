import { roundHalfEven } from '../../core/rounding.ts'
import { halfQuadratic } from '../contract/real-affine.ts'
import { raiseToMinus0p3 } from './power.ts'

const { fround } = Math

/**
 * The zero point of a group by the rule at `halfQuadratic`, as what is added to -min / scale. Works in steps from the least
 * weight on, u = (w - min) / scale, where codes are clamp(half-even(u + shift)). Sums as at `RealAffineFit`.
 */
export function fitHalfQuadratic(
  values: Float32Array,
  { min, scale, levels }: { readonly min: number; readonly scale: number; readonly levels: number },
): number {
  const { beta, kappa, iterations } = halfQuadratic
  let shift = 0
  let bestShift = 0
  let bestError = Infinity
  let inverseBeta = fround(1 / beta)
  for (let iteration = 0; iteration < iterations; iteration++) {
    const errors = new Float32Array(4)
    const wanted = new Float32Array(4)
    for (const [i, value] of values.entries()) {
      const u = fround(fround(value - min) / scale)
      const place = fround(u + shift)
      const code = roundHalfEven(Math.min(levels - 1, Math.max(0, place)))
      const error = fround(place - code)
      const size = Math.abs(error)
      const part = i & 3
      errors[part] = (errors[part] ?? 0) + size
      wanted[part] = (wanted[part] ?? 0) + fround(fround(code - u) + Math.sign(error) * shrunk(size, scale, inverseBeta))
    }
    const error = joined(errors)
    if (!(error < bestError)) break
    bestError = error
    bestShift = shift
    shift = fround(joined(wanted) / values.length)
    inverseBeta = fround(inverseBeta * fround(1 / kappa))
  }
  return bestShift
}

/** What the lp norm leaves of an error, given and returned in steps; its own unit is that of the weights. */
function shrunk(size: number, scale: number, inverseBeta: number): number {
  const lost = fround(fround(inverseBeta * raiseToMinus0p3(fround(size * scale))) / scale)
  return Math.max(0, fround(size - lost))
}

function joined([a = 0, b = 0, c = 0, d = 0]: Float32Array): number {
  return fround(fround(a + b) + fround(c + d))
}
