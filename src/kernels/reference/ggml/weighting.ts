import { halfFromFloat } from '../../../core/float16.ts'

const f = Math.fround

/** Sum of squares in f32, in order. */
export function squareSum(values: Float32Array): number {
  let sum = 0
  for (const value of values) sum = f(sum + f(value * value))
  return sum
}

/** importance * sqrt(square + x^2): the weight that libggml gives an element; `square` is a mean over block or row. */
export function elementWeights(values: Float32Array, importance: Float32Array, square: number): Float32Array {
  return values.map((x, i) => f((importance[i] ?? 0) * f(Math.sqrt(f(square + f(x * x))))))
}

export function sumOf(values: Float32Array): number {
  let sum = 0
  for (const value of values) sum = f(sum + value)
  return sum
}

/** Bits of the nearest half; a NaN, which only weights at the limits of f32 can cause, as 0x7e00 whatever its sign. */
export function scaleBits(value: number): number {
  return Number.isNaN(value) ? 0x7e00 : halfFromFloat(value)
}
