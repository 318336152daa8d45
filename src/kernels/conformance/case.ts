import type { Kernels } from '../contract/kernels.ts'
import type { Tolerance, Values } from '../tolerance.ts'

/**
 * One call that every backend must answer as the reference does. The same cases judge the backends in Node and in Chromium
 * and make up the support table.
 */
export interface ConformanceCase {
  readonly operation: keyof Kernels
  readonly name: string
  readonly tolerance: Tolerance
  /** Weights, logits, or multiplications and additions of a call, where it is large enough to be timed. */
  readonly work?: number
  readonly run: (kernels: Kernels) => Promise<Values>
}
