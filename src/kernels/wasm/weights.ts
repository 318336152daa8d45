import type { WeightSums } from '../contract/kernels.ts'
import type { MatrixPiece, WeightSummary } from '../contract/operations.ts'
import type { Arena } from './arena.ts'
import type { KernelExports } from './module.ts'

export function compareWeights(
  wasm: KernelExports,
  arena: Arena,
  { weight, approximation }: { weight: Float32Array; approximation: Float32Array },
): WeightSums {
  arena.reset()
  const w = arena.put(weight)
  const v = arena.put(approximation)
  return sumsOf(wasm, arena, { weight: w, values: v, count: weight.length })
}

/** Sums over two arrays of `count` f32 that lie in the module's memory. */
export function sumsOf(
  wasm: KernelExports,
  arena: Arena,
  { weight, values, count }: { weight: number; values: number; count: number },
): WeightSums {
  const result = arena.take(3 * 8)
  wasm.compareWeights(weight, values, count, result)
  const [squaredError = 0, squaredWeight = 0, squaredApproximation = 0] = arena.doubles(result, 3)
  return { count, squaredError, squaredWeight, squaredApproximation }
}

export function summarizeWeights(wasm: KernelExports, arena: Arena, { data, rows, columns }: MatrixPiece): WeightSummary {
  arena.reset()
  const x = arena.put(data)
  const columnLargest = arena.takeZeroed(columns * 4)
  const result = arena.take(7 * 8)
  wasm.summarizeWeights(x, rows, columns, columnLargest, result)
  const [min = 0, max = 0, sum = 0, squares = 0, finiteCount = 0, zeroCount = 0, firstNonFinite = -1] = arena.doubles(result, 7)
  return { min, max, sum, squares, finiteCount, zeroCount, firstNonFinite, columnLargest: arena.floats(columnLargest, columns) }
}

export function countWeights(
  wasm: KernelExports,
  arena: Arena,
  { data, limit, bins }: { data: Float32Array; limit: number; bins: number },
): Uint32Array<ArrayBuffer> {
  arena.reset()
  const x = arena.put(data)
  const histogram = arena.takeZeroed(bins * 4)
  wasm.countWeights(x, data.length, limit, bins, histogram)
  return arena.counts(histogram, bins)
}
