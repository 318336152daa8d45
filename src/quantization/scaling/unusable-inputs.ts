import type { Finding } from '../../core/finding.ts'
import type { TapInputs } from '../transform.ts'

/** Why nothing can be learnt from these inputs, `null` when something can. */
export function unusableInputs({ tokens, meanSquare }: TapInputs): Omit<Finding, 'tried'> | null {
  const broken = meanSquare.findIndex((value) => !(value >= 0 && value < Infinity))
  if (broken >= 0) {
    const cause = `What goes into input column ${broken} of ${meanSquare.length} is not finite.`
    return { cause, remedy: 'Look for NaN or infinity in the weights of the blocks before, or calibrate on other text.' }
  }
  if (tokens > 0 && meanSquare.some((value) => value > 0)) return null
  return { cause: 'Everything that calibration saw go into this matrix is 0.', remedy: 'Calibrate on other text.' }
}
