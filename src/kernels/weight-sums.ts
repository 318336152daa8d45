import type { WeightSums } from './contract/kernels.ts'

export const noSums: WeightSums = { count: 0, squaredError: 0, squaredWeight: 0, squaredApproximation: 0 }

/** Sums over two pieces of one matrix. */
export function addSums(a: WeightSums, b: WeightSums): WeightSums {
  return {
    count: a.count + b.count,
    squaredError: a.squaredError + b.squaredError,
    squaredWeight: a.squaredWeight + b.squaredWeight,
    squaredApproximation: a.squaredApproximation + b.squaredApproximation,
  }
}
