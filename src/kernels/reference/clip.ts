import { roundHalfEven } from '../../core/rounding.ts'
import { type AffineParams, clipSteps } from '../contract/affine.ts'
import type { ValueRange } from '../contract/operations.ts'
import { raiseTo2p4 } from './power.ts'

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
      sum = fround(sum + raiseTo2p4(Math.abs(fround(u - fround(p * code)))))
      if (!(sum < least)) break
    }
    if (sum < least) {
      least = sum
      clip = p
    }
  }
  return clip
}
