import { createRandom } from '../core/random.ts'
import type { FactorOptions } from './contract/feedback.ts'

/** Vectors that a factor is tried with, in turn in memory: what one of them misses by chance the others see. */
const probes = 4

/**
 * How far U is from a factor of H^-1: the largest |U H U^T v - v| / |v| over a few vectors of random signs, about the Frobenius
 * norm of U H U^T - I over the root of n. From U and the upper triangle of G as they are, with sums in f64; O(n^2) beside the
 * O(n^3) of the factor. The vectors depend on n alone, so the same factor always gets the same answer.
 */
export function factorResidual(upper: Float32Array, gram: Float32Array, { order, damping }: FactorOptions): number {
  const columns = Math.sqrt(gram.length)
  const random = createRandom(columns)
  const signs = Float64Array.from({ length: probes * columns }, () => (random.next() < 0.5 ? -1 : 1))
  const columnAt = order ?? Int32Array.from({ length: columns }, (_, position) => position)
  const found = timesUpper(upper, timesDamped(gram, timesUpperTransposed(upper, signs), { columnAt, damping }))
  const squares = new Float64Array(probes)
  for (const [at, sign] of signs.entries()) squares[at % probes] = (squares[at % probes] ?? 0) + ((found[at] ?? 0) - sign) ** 2
  return Math.sqrt(Math.max(...squares) / columns)
}

/** U^T x. */
function timesUpperTransposed(upper: Float32Array, x: Float64Array): Float64Array {
  const columns = x.length / probes
  const y = new Float64Array(x.length)
  for (let row = 0; row < columns; row++) addScaledRow(y, upper.subarray(row * columns, (row + 1) * columns), { x, row })
  return y
}

/** U x. */
function timesUpper(upper: Float32Array, x: Float64Array): Float64Array {
  const columns = x.length / probes
  const y = new Float64Array(x.length)
  for (let row = 0; row < columns; row++) addRowProducts(y, upper.subarray(row * columns, (row + 1) * columns), { x, row, from: row })
  return y
}

/** H x by positions, G by columns. */
function timesDamped(
  gram: Float32Array,
  x: Float64Array,
  { columnAt, damping }: { readonly columnAt: Int32Array; readonly damping: number },
): Float64Array {
  const columns = columnAt.length
  const [given, product] = [new Float64Array(x.length), new Float64Array(x.length)]
  for (const [position, column] of columnAt.entries()) given.set(x.subarray(position * probes, (position + 1) * probes), column * probes)
  for (let row = 0; row < columns; row++) {
    const values = gram.subarray(row * columns, (row + 1) * columns)
    addRowProducts(product, values, { x: given, row, from: row + 1 })
    addScaledRow(product, values, { x: given, row })
  }
  const y = new Float64Array(x.length)
  for (const [position, column] of columnAt.entries()) {
    for (let k = 0; k < probes; k++)
      y[position * probes + k] = (product[column * probes + k] ?? 0) + damping * (x[position * probes + k] ?? 0)
  }
  return y
}

interface Row {
  readonly x: Float64Array
  readonly row: number
}

/** y[j] += values[j] x[row] for all j from the row on. */
function addScaledRow(y: Float64Array, values: Float32Array, { x, row }: Row): void {
  const at = probes * row
  const [a = 0, b = 0, c = 0, d = 0] = x.subarray(at, at + probes)
  for (let j = row, to = at; j < values.length; j++, to += probes) {
    const value = values[j] ?? 0
    y[to] = (y[to] ?? 0) + value * a
    y[to + 1] = (y[to + 1] ?? 0) + value * b
    y[to + 2] = (y[to + 2] ?? 0) + value * c
    y[to + 3] = (y[to + 3] ?? 0) + value * d
  }
}

/** y[row] += SUM values[j] x[j] for all j from `from` on. */
function addRowProducts(y: Float64Array, values: Float32Array, { x, row, from }: Row & { readonly from: number }): void {
  let [a, b, c, d] = [0, 0, 0, 0]
  for (let j = from, at = probes * from; j < values.length; j++, at += probes) {
    const value = values[j] ?? 0
    a += value * (x[at] ?? 0)
    b += value * (x[at + 1] ?? 0)
    c += value * (x[at + 2] ?? 0)
    d += value * (x[at + 3] ?? 0)
  }
  for (const [k, sum] of [a, b, c, d].entries()) y[probes * row + k] = (y[probes * row + k] ?? 0) + sum
}
