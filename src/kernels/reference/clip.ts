import { roundHalfEven } from '../../core/rounding.ts'
import { type AffineParams, clipSteps } from '../contract/affine.ts'
import type { ValueRange } from '../contract/operations.ts'

const floatView = new Float32Array(1)
const bitView = new Int32Array(floatView.buffer)
const coefficients = [0.9999727, 0.60010436, 0.48907313, 0.413699].map(Math.fround) as [number, number, number, number]

/**
 * x^2.4 for x >= 0 within 3e-5, in f32 steps that every backend repeats: x^3 y^3 with y = x^(-1/5), where y begins as the bits
 * of x divided by -5 and P(1 - x y^5), a cubic through (1 - e)^(-3/5), makes up for what that is off by.
 */
export function clipPower(x: number): number {
  const { fround } = Math
  floatView[0] = x
  bitView[0] = 1277923859 - Math.trunc(fround(fround(bitView[0] ?? 0) * fround(0.2)))
  const y = floatView[0] ?? 0
  const xy = fround(x * y)
  const square = fround(y * y)
  const e = fround(1 - fround(xy * fround(square * square)))
  const [c0, c1, c2, c3] = coefficients
  const p = fround(fround(fround(fround(fround(fround(c3 * e) + c2) * e) + c1) * e) + c0)
  return fround(fround(fround(xy * xy) * xy) * p)
}

/** What a group's range is multiplied by; the rule is at `clipSteps`. `range` includes 0, `values` are finite. */
export function clipOf(values: Float32Array, range: ValueRange, { bits, isSymmetric }: AffineParams): number {
  const { fround } = Math
  const levels = 2 ** bits - 1
  const largest = Math.max(-range.min, range.max)
  const step = fround(fround(isSymmetric ? largest + largest : range.max - range.min) / levels)
  // Nothing is told apart where the step is 0 or infinite.
  if (step === 0 || step === Infinity) return 1
  const zeroPoint = isSymmetric ? 2 ** (bits - 1) : Math.min(levels, roundHalfEven(fround(-range.min / step)))
  let clip = 1
  let least = Infinity
  for (let i = 0; i < clipSteps; i++) {
    const p = fround(1 - i / 100)
    const inverse = fround(1 / p)
    let sum = 0
    for (const value of values) {
      const u = fround(value / step)
      const code = Math.min(levels - zeroPoint, Math.max(-zeroPoint, roundHalfEven(fround(u * inverse))))
      sum = fround(sum + clipPower(Math.abs(fround(u - fround(p * code)))))
      if (!(sum < least)) break
    }
    if (sum < least) {
      least = sum
      clip = p
    }
  }
  return clip
}
