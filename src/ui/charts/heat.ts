import { type Domain, logPosition } from './axis.ts'

/** Steps of the heat ramp, from paper to ink. */
export const heatSteps = 9

/** Step 0 … 8 of a value on the log ramp of a model. */
export function heatStep(value: number, domain: Domain): number {
  return Math.min(heatSteps - 1, Math.floor(logPosition(value, domain) * heatSteps))
}
