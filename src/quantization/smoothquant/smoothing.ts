import type { Matrix } from '../../kernels/contract/kernels.ts'

type Floats = Float32Array<ArrayBuffer>

/** Least scale, and least largest weight of a column (smoothquant `smooth.py`). */
const least = 1e-5

/** s = max(x^alpha / w^(1 - alpha), 1e-5) with x the largest input and w the largest weight of a column, [columns]. */
export function smoothingScales(alpha: number, inputs: Floats, weights: Floats): Floats {
  return Float32Array.from(inputs, (input, i) => {
    // Unlike the original: a column that calibration never saw would be made 100,000 times as loud where it does occur.
    if (input === 0) return 1
    const weight = Math.max(weights[i] ?? 0, least)
    return Math.max(Math.pow(input, alpha) / Math.pow(weight, 1 - alpha), least)
  })
}

/** Largest |w| of each column over all rows of all matrices, [columns]. */
export function columnLargest(matrices: readonly Matrix[]): Floats {
  const columns = matrices[0]?.columns ?? 0
  const largest = new Float32Array(columns)
  for (const { data } of matrices) {
    for (let start = 0; start < data.length; start += columns) {
      for (let column = 0; column < columns; column++) {
        largest[column] = Math.max(largest[column] ?? 0, Math.abs(data[start + column] ?? 0))
      }
    }
  }
  return largest
}
