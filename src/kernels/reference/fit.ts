import { largestHalf, roundToHalf, smallestHalf, smallestNormalHalf } from '../../core/float16.ts'
import { roundHalfEven } from '../../core/rounding.ts'
import type { AffineSteps, StepRule } from '../contract/feedback.ts'
import type { MatrixPiece } from '../contract/operations.ts'
import { weightNotFinite } from '../faults.ts'
import { clipOf } from './clip.ts'

interface GroupStep {
  readonly step: number
  readonly zeroPoint: number
}

/** Step and zero point of a group; the rule is at `AffineSteps`. Every step in f32. */
export function fitGroup(values: Float32Array, rule: StepRule): GroupStep {
  const { bits, isSymmetric } = rule
  let min = 0
  let max = 0
  for (const value of values) {
    if (value < min) min = value
    if (value > max) max = value
  }
  if (rule.clip === 'mse') {
    const clip = clipOf(values, { min, max }, { bits, isSymmetric, group: 'row' })
    min = Math.fround(clip * min)
    max = Math.fround(clip * max)
  }
  const levels = 2 ** bits - 1
  const largest = Math.max(-min, max)
  const width = isSymmetric ? Math.fround(largest + largest) : Math.fround(max - min)
  if (width === 0) return { step: 1, zeroPoint: isSymmetric ? 2 ** (bits - 1) : 0 }
  const exact = Math.fround(width / levels)
  const isHeld = exact >= smallestNormalHalf && exact <= largestHalf
  const step = isHeld ? exact : Math.min(largestHalf, Math.max(smallestHalf, roundToHalf(exact)))
  return { step, zeroPoint: isSymmetric ? 2 ** (bits - 1) : Math.min(levels, roundHalfEven(Math.fround(-min / step))) }
}

export function fitSteps(piece: MatrixPiece, group: number, rule: StepRule): AffineSteps {
  const { data, rows, columns } = piece
  if (data.some((value) => !Number.isFinite(value))) throw weightNotFinite(piece)
  const groups = Math.ceil(columns / group)
  const steps = new Float32Array(rows * groups)
  const zeroPoints = new Float32Array(rows * groups)
  for (let at = 0; at < steps.length; at++) {
    const row = Math.floor(at / groups) * columns
    const start = row + (at % groups) * group
    const found = fitGroup(data.subarray(start, Math.min(start + group, row + columns)), rule)
    steps[at] = found.step
    zeroPoints[at] = found.zeroPoint
  }
  return { steps, zeroPoints }
}
