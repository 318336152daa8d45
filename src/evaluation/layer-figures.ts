import type { WeightSums } from '../kernels/contract/kernels.ts'
import type { LayerResult } from './result.ts'

/** The traces that tell what a weight's error does to its output; G = X^T X of the float run. */
export interface OutputTraces {
  /** trace((W - Q) G (W - Q)^T) = |X (W - Q)^T|^2. */
  readonly error: number
  /** trace(W G W^T) = |X W^T|^2. */
  readonly signal: number
}

export type LayerFigures = Pick<LayerResult, 'mse' | 'relativeError' | 'sqnrDb' | 'cosine' | 'outputError'>

/** Shown for a weight that is reproduced exactly, whose ratio is infinite; above what f32 can tell (24 bits are 144 dB). */
export const exactSqnrDb = 200

/**
 * Figures of one linear. A weight of zeros has no direction and no signal: exact counts as cosine 1 and error 0. Without
 * activations (`traces` is `null`) nothing is known of the output.
 */
export function layerFigures(sums: WeightSums, traces: OutputTraces | null): LayerFigures {
  const { count, squaredError, squaredWeight, squaredApproximation } = sums
  // Of |w - v|^2 = |w|^2 + |v|^2 - 2 w v.
  const product = (squaredWeight + squaredApproximation - squaredError) / 2
  const lengths = Math.sqrt(squaredWeight * squaredApproximation)
  return {
    mse: squaredError / count,
    relativeError: Math.sqrt(ratio(squaredError, squaredWeight)),
    sqnrDb: squaredError === 0 ? exactSqnrDb : Math.min(exactSqnrDb, 10 * Math.log10(1 / ratio(squaredError, squaredWeight))),
    cosine: lengths === 0 ? (squaredError === 0 ? 1 : 0) : product / lengths,
    // rounding can leave a tiny negative trace
    outputError: traces === null ? null : ratio(Math.max(0, traces.error), traces.signal),
  }
}

function ratio(part: number, whole: number): number {
  if (whole > 0) return part / whole
  return part === 0 ? 0 : 1
}
