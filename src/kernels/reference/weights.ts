import type { GgmlType } from '../contract/ggml.ts'
import type { WeightSums } from '../contract/kernels.ts'
import type { MatrixPiece, WeightSummary } from '../contract/operations.ts'
import { dequantizeGgml } from './ggml/index.ts'

export function compareWeights(weight: Float32Array, approximation: Float32Array): WeightSums {
  let squaredError = 0
  let squaredWeight = 0
  let squaredApproximation = 0
  for (let i = 0; i < weight.length; i++) {
    const w = weight[i] ?? 0
    const v = approximation[i] ?? 0
    const error = w - v
    squaredError += error * error
    squaredWeight += w * w
    squaredApproximation += v * v
  }
  return { count: weight.length, squaredError, squaredWeight, squaredApproximation }
}

export function compareGgml(piece: MatrixPiece, blocks: Uint8Array, type: GgmlType): WeightSums {
  return compareWeights(piece.data, dequantizeGgml(blocks, piece, type))
}

export function summarizeWeights({ data, rows, columns }: MatrixPiece): WeightSummary {
  const columnLargest = new Float32Array(columns)
  let min = Infinity
  let max = -Infinity
  let sum = 0
  let squares = 0
  let finiteCount = 0
  let zeroCount = 0
  let firstNonFinite = -1
  for (let i = 0; i < rows * columns; i++) {
    const value = data[i] ?? 0
    if (!Number.isFinite(value)) {
      if (firstNonFinite < 0) firstNonFinite = i
      continue
    }
    finiteCount++
    if (value === 0) zeroCount++
    if (value < min) min = value
    if (value > max) max = value
    sum += value
    squares += value * value
    const column = i % columns
    if (Math.abs(value) > (columnLargest[column] ?? 0)) columnLargest[column] = Math.abs(value)
  }
  if (finiteCount === 0) min = max = 0
  return { min, max, sum, squares, finiteCount, zeroCount, firstNonFinite, columnLargest }
}

export function countWeights(data: Float32Array, limit: number, bins: number): Uint32Array<ArrayBuffer> {
  const counts = new Uint32Array(bins)
  const perUnit = limit > 0 ? bins / (2 * limit) : 0
  for (const value of data) {
    if (!Number.isFinite(value)) continue
    const bin = Math.min(bins - 1, Math.floor((value + limit) * perUnit))
    counts[bin] = (counts[bin] ?? 0) + 1
  }
  return counts
}
