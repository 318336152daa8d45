import type { Matrix } from '../contract/kernels.ts'
import { type GramStripe, gramTokenBlock } from '../contract/operations.ts'

export function accumulateGram({ gram, rows, width }: GramStripe, input: Matrix): Float32Array<ArrayBuffer> {
  const result = gram.slice()
  const at = (token: number, column: number): number => input.data[(token + 1) * input.columns - width + column] ?? 0
  for (let firstToken = 0; firstToken < input.rows; firstToken += gramTokenBlock) {
    const lastToken = Math.min(firstToken + gramTokenBlock, input.rows)
    for (let i = 0; i < rows; i++) {
      for (let j = i; j < width; j++) {
        let sum = 0
        for (let token = firstToken; token < lastToken; token++) {
          const product = Math.fround(at(token, i) * at(token, j))
          sum = Math.fround(sum + product)
        }
        result[i * width + j] = (result[i * width + j] ?? 0) + sum
      }
    }
  }
  return result
}

/** SUM over rows d of SUM_i d_i (G_ii d_i + 2 SUM_{j > i} G_ij d_j), all in f64. */
export function traceThroughGram({ gram, rows, width }: GramStripe, delta: Matrix): number {
  let trace = 0
  for (let row = 0; row < delta.rows; row++) {
    const d = delta.data.subarray((row + 1) * delta.columns - width, (row + 1) * delta.columns)
    for (let i = 0; i < rows; i++) {
      let product = (gram[i * width + i] ?? 0) * (d[i] ?? 0)
      for (let j = i + 1; j < width; j++) product += 2 * (gram[i * width + j] ?? 0) * (d[j] ?? 0)
      trace += product * (d[i] ?? 0)
    }
  }
  return trace
}

/** SUM_i d_i SUM_j G_ij d_j of each group, in f64. */
export function groupLosses({ data, rows, columns }: Matrix, blocks: Float32Array, span: number): Float64Array<ArrayBuffer> {
  const groups = Math.ceil(columns / span)
  const losses = new Float64Array(rows * groups)
  for (let row = 0; row < rows; row++) {
    for (let group = 0; group < groups; group++) {
      const width = Math.min(span, columns - group * span)
      const d = data.subarray(row * columns + group * span, row * columns + group * span + width)
      let loss = 0
      for (let i = 0; i < width; i++) {
        let product = 0
        for (let j = 0; j < width; j++) product += (blocks[group * span * span + i * width + j] ?? 0) * (d[j] ?? 0)
        loss += product * (d[i] ?? 0)
      }
      losses[row * groups + group] = loss
    }
  }
  return losses
}
