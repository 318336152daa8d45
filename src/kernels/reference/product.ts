import type { Matrix } from '../contract/kernels.ts'
import { gramTokenBlock } from '../contract/operations.ts'

export function accumulateProduct(sum: Float32Array<ArrayBuffer>, left: Matrix, right: Matrix): Float32Array<ArrayBuffer> {
  const result = sum.slice()
  const width = right.columns
  for (let first = 0; first < left.rows; first += gramTokenBlock) {
    const last = Math.min(first + gramTokenBlock, left.rows)
    for (let i = 0; i < left.columns; i++) {
      for (let j = 0; j < width; j++) {
        let block = 0
        for (let k = first; k < last; k++) {
          block = Math.fround(block + Math.fround((left.data[k * left.columns + i] ?? 0) * (right.data[k * width + j] ?? 0)))
        }
        result[i * width + j] = (result[i * width + j] ?? 0) + block
      }
    }
  }
  return result
}
