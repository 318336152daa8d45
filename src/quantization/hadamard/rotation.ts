import { createRandom } from '../../core/random.ts'
import { transposed } from '../transposed.ts'
import { type BaseMatrix, baseMatrixOf } from './base-matrix.ts'

type Floats = Float32Array<ArrayBuffer>

/**
 * A randomised Hadamard rotation: Q = S (H x B) / sqrt(n), S random signs, H Sylvester's matrix of a power of two, B the matrix
 * of what is left of the size. Orthogonal: Q Q^T = I, and every value of v Q is a sum over all values of v, so that no column
 * stands out. Sums are taken in f64 and rounded to f32 once.
 */
export class Rotation {
  readonly size: number
  readonly #base: BaseMatrix
  readonly #transposed: Float64Array
  readonly #signs: Float64Array
  readonly #scale: number

  /** Throws `RangeError` for a size that `isRotatable` refuses. */
  constructor(size: number, seed: number) {
    const base = baseMatrixOf(size)
    if (base === null) throw new RangeError(`no rotation of ${size} values`)
    const { size: m, entries } = base
    const random = createRandom(seed)
    this.size = size
    this.#base = base
    this.#transposed = Float64Array.from({ length: m * m }, (_, at) => entries[(at % m) * m + Math.floor(at / m)] ?? 0)
    this.#signs = Float64Array.from({ length: size }, () => (random.nextUint32() < 2 ** 31 ? 1 : -1))
    this.#scale = 1 / Math.sqrt(size)
  }

  /** Multiply-adds for one vector. */
  static operations(size: number): number {
    const base = baseMatrixOf(size)?.size ?? size
    return size * (Math.log2(size / base) + (base > 1 ? base : 0))
  }

  /** v Q for every run v of `size` values: rows of a matrix that read a rotated input, or rotated vectors. */
  rows(values: Floats): Floats {
    return this.#eachRun(values, (run) => this.#forward(run))
  }

  /** v Q^T for every run: undoes `rows`. */
  rowsBack(values: Floats): Floats {
    return this.#eachRun(values, (run) => this.#back(run))
  }

  /** Q^T M for every run M of `size` rows of `width` values: rows of a matrix whose outputs are rotated. */
  columns(values: Floats, width: number): Floats {
    return this.#eachBlock(values, width, (block) => this.rows(block))
  }

  /** Q M for every run M of rows: undoes `columns`. */
  columnsBack(values: Floats, width: number): Floats {
    return this.#eachBlock(values, width, (block) => this.rowsBack(block))
  }

  /** Mean squares of v Q where the columns of v, whose mean squares are given, are uncorrelated. */
  squares(meanSquares: Floats): Floats {
    const { size: m, entries } = this.#base
    const result = new Float32Array(meanSquares.length)
    for (let start = 0; start < meanSquares.length; start += this.size) {
      const sums = new Float64Array(m)
      for (let i = 0; i < this.size; i++) sums[i % m] = (sums[i % m] ?? 0) + (meanSquares[start + i] ?? 0)
      for (let column = 0; column < m; column++) {
        let sum = 0
        for (let row = 0; row < m; row++) sum += (sums[row] ?? 0) * (entries[row * m + column] ?? 0) ** 2
        for (let i = column; i < this.size; i += m) result[start + i] = sum / this.size
      }
    }
    return result
  }

  #forward(run: Float64Array): void {
    for (let i = 0; i < run.length; i++) run[i] = (run[i] ?? 0) * (this.#signs[i] ?? 0)
    this.#multiply(run, this.#transposed)
    this.#sylvester(run)
  }

  #back(run: Float64Array): void {
    this.#sylvester(run)
    this.#multiply(run, this.#base.entries)
    for (let i = 0; i < run.length; i++) run[i] = (run[i] ?? 0) * (this.#signs[i] ?? 0)
  }

  /** Every m values become their products with the rows of a matrix [m, m]. */
  #multiply(run: Float64Array, matrix: Float64Array): void {
    const m = this.#base.size
    if (m === 1) return
    const products = new Float64Array(m)
    for (let start = 0; start < run.length; start += m) {
      for (let row = 0; row < m; row++) {
        let sum = 0
        for (let i = 0; i < m; i++) sum += (matrix[row * m + i] ?? 0) * (run[start + i] ?? 0)
        products[row] = sum
      }
      run.set(products, start)
    }
  }

  /** Sums and differences of values m, 2 m, 4 m, ... apart, then the scale. */
  #sylvester(run: Float64Array): void {
    const size = run.length
    for (let apart = this.#base.size; apart < size; apart *= 2) {
      for (let start = 0; start < size; start += 2 * apart) {
        for (let i = start; i < start + apart; i++) {
          const [a, b] = [run[i] ?? 0, run[i + apart] ?? 0]
          run[i] = a + b
          run[i + apart] = a - b
        }
      }
    }
    for (let i = 0; i < size; i++) run[i] = (run[i] ?? 0) * this.#scale
  }

  #eachRun(values: Floats, change: (run: Float64Array) => void): Floats {
    if (values.length % this.size !== 0) throw new RangeError(`${values.length} values are no runs of ${this.size}`)
    const result = new Float32Array(values.length)
    const run = new Float64Array(this.size)
    for (let start = 0; start < values.length; start += this.size) {
      run.set(values.subarray(start, start + this.size))
      change(run)
      result.set(run, start)
    }
    return result
  }

  #eachBlock(values: Floats, width: number, change: (block: Floats) => Floats): Floats {
    const length = this.size * width
    const result = new Float32Array(values.length)
    for (let start = 0; start < values.length; start += length) {
      const turned = change(transposed(values.subarray(start, start + length), width))
      result.set(transposed(turned, this.size), start)
    }
    return result
  }
}

/** Whether there is a rotation of so many values. */
export function isRotatable(size: number): boolean {
  return baseMatrixOf(size) !== null
}
