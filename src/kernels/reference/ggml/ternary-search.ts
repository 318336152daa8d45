/**
 * The searches of ggml's IQ1 types (ggml-quants.c, quantize_row_iq1_s_impl and quantize_row_iq1_m_impl): weights ~ scale * (code - 1
 * + shift) with a shift of 1/8 or -1/8. In order of size the weights of a group fall into three runs, one for each code; every pair
 * of borders is tried, then every 8 codes become a point of the code book.
 */
import { latticeOf } from './lattice.ts'
import { bestNeighbour } from './lattice-search.ts'

const f = Math.fround

const book = 'iq1s'
/** Levels of the codes with their shift. */
export const shiftedUp = [-0.875, 0.125, 1.125] as const
export const shiftedDown = [-1.125, -0.125, 0.875] as const
type Levels = typeof shiftedUp | typeof shiftedDown

/** Three runs in order of size: [0, first), [first, second) and the rest. */
interface Runs {
  readonly first: number
  readonly second: number
  readonly scale: number
  /** Which of the tried sets of shifts. */
  readonly shifts: number
}

export interface TernaryGroup {
  readonly scale: number
  /** A point for every 8 weights, and whether its shift is -1/8. */
  readonly indices: readonly number[]
  readonly isDown: readonly boolean[]
}

/** What two borders give for each set of shifts: sums of weight * x * level and of weight * level^2. */
type SumsAt = (first: number, second: number) => readonly { readonly product: number; readonly square: number }[]

/** The pair of borders with the least error when the scale is then fitted, the first one; null when no weight counts. */
function bestRuns(size: number, sumsAt: SumsAt): Runs | null {
  let best = -((2 - 2 ** -23) * 2 ** 127)
  let found: Runs | null = null
  for (let first = 0; first <= size; first++) {
    for (let second = first; second <= size; second++) {
      for (const [shifts, { product, square }] of sumsAt(first, second).entries()) {
        if (!(square > 0 && f(product * product) > f(best * square))) continue
        const scale = f(product / square)
        best = f(scale * product)
        found = { first, second, scale, shifts }
      }
    }
  }
  return found
}

/** Places of the values from the least to the largest, equal ones in their order. */
function sorted(values: Float32Array): number[] {
  return Array.from(values.keys()).sort((a, b) => (values[a] ?? 0) - (values[b] ?? 0))
}

/** Codes of the runs, turned over when the scale is negative. */
function codesOf(order: readonly number[], { first, second, scale }: Runs): Uint8Array {
  const codes = new Uint8Array(order.length)
  for (const [rank, place] of order.entries()) {
    const code = rank < first ? 0 : rank < second ? 1 : 2
    codes[place] = scale < 0 ? 2 - code : code
  }
  return codes
}

/** Moves every 8 codes into the book; the scale is fitted again when one lay outside. Null when that is not a number. */
function settle(
  values: Float32Array,
  weights: Float32Array,
  codes: Uint8Array,
  { scale, isDown }: { readonly scale: number; readonly isDown: readonly boolean[] },
): TernaryGroup | null {
  const lattice = latticeOf(book)
  const found = isDown.map((down, k) => {
    const own = codes.subarray(8 * k, 8 * k + 8)
    const index = lattice.indexOf(own)
    if (index >= 0) return { index, isOutside: false }
    const parts = { values, roots: weights, at: 8 * k }
    return { index: bestNeighbour(lattice, own, parts, { scale, levels: down ? shiftedDown : shiftedUp }), isOutside: true }
  })
  const indices = found.map(({ index }) => index)
  const isRefitted = found.some(({ isOutside }) => isOutside)
  const { product, square } = ternarySums(values, weights, { indices, isDown, factor: 1 })
  const fitted = isRefitted && product > 0 && square > 0 ? f(product / square) : scale
  return Number.isNaN(fitted) ? null : { scale: fitted, indices, isDown }
}

/** Sums of weight * x * level and of weight * level^2 over points, levels times `factor`; added to those given. */
export function ternarySums(
  values: Float32Array,
  weights: Float32Array,
  { indices, isDown, factor }: Pick<TernaryGroup, 'indices' | 'isDown'> & { readonly factor: number },
  { product, square } = { product: 0, square: 0 },
): { product: number; square: number } {
  for (const [k, index] of indices.entries()) {
    const levels = isDown[k] === true ? shiftedDown : shiftedUp
    for (const [j, code] of (latticeOf(book).points[index] ?? []).entries()) {
      const weight = weights[8 * k + j] ?? 0
      const level = f((levels[code] ?? 0) * factor)
      product = f(product + f(f(weight * level) * (values[8 * k + j] ?? 0)))
      square = f(square + f(f(weight * level) * level))
    }
  }
  return { product, square }
}

function largestMagnitude(values: Float32Array): number {
  return values.reduce((largest, x) => Math.max(largest, Math.abs(x)), 0)
}

/** A group of 32 with one shift; null when nothing of it is written. */
export function searchOneShift(values: Float32Array, weights: Float32Array): TernaryGroup | null {
  if (largestMagnitude(values) < f(1e-12)) return null
  const order = sorted(values)
  const size = order.length
  const products = new Float32Array(size + 1)
  const counts = new Float32Array(size + 1)
  for (const [rank, place] of order.entries()) {
    const weight = weights[place] ?? 0
    products[rank + 1] = f((products[rank] ?? 0) + f(weight * (values[place] ?? 0)))
    counts[rank + 1] = f((counts[rank] ?? 0) + weight)
  }
  const between = (sums: Float32Array, start: number, end: number): number => f((sums[end] ?? 0) - (sums[start] ?? 0))
  const runs = bestRuns(size, (first, second) =>
    [shiftedUp, shiftedDown].map(([low, middle, high]) => {
      const x = [between(products, 0, first), between(products, first, second), between(products, second, size)] as const
      const w = [between(counts, 0, first), between(counts, first, second), between(counts, second, size)] as const
      return {
        product: f(f(f(x[0] * low) + f(x[1] * middle)) + f(x[2] * high)),
        square: f(f(f(f(w[0] * low) * low) + f(f(w[1] * middle) * middle)) + f(f(w[2] * high) * high)),
      }
    }),
  )
  if (runs === null) return null
  const isDown = (runs.shifts === 1) !== runs.scale < 0
  return settle(values, weights, codesOf(order, runs), {
    scale: Math.abs(runs.scale),
    isDown: Array.from({ length: size / 8 }, () => isDown),
  })
}

/** Sums over the runs of one half of a group, from those up to each border. */
function halfSums(values: Float32Array, weights: Float32Array, order: readonly number[], isIn: (place: number) => boolean) {
  const products = new Float32Array(order.length + 1)
  const counts = new Float32Array(order.length + 1)
  for (const [rank, place] of order.entries()) {
    const weight = isIn(place) ? (weights[place] ?? 0) : 0
    products[rank + 1] = f((products[rank] ?? 0) + f(weight * (values[place] ?? 0)))
    counts[rank + 1] = f((counts[rank] ?? 0) + weight)
  }
  const size = order.length
  return (first: number, second: number, [low, middle, high]: Levels): { product: number; square: number } => {
    const x = f((products[second] ?? 0) + (products[first] ?? 0))
    // Levels lie 1 apart, so each border takes its sum off once.
    const square = f(f(f(counts[size] ?? 0) * high) * high)
    const lower = f(f((counts[first] ?? 0) * (low * low - middle * middle)) + square)
    return {
      product: f(f((products[size] ?? 0) * high) - x),
      square: f(f((counts[second] ?? 0) * (middle * middle - high * high)) + lower),
    }
  }
}

/** A group of 16 with a shift for each half; null when nothing of it is written. */
export function searchTwoShifts(values: Float32Array, weights: Float32Array): TernaryGroup | null {
  if (largestMagnitude(values) < f(1e-7)) return null
  const order = sorted(values)
  const lower = halfSums(values, weights, order, (place) => place < 8)
  const upper = halfSums(values, weights, order, (place) => place >= 8)
  const runs = bestRuns(order.length, (first, second) => {
    const [a, b] = [lower(first, second, shiftedUp), lower(first, second, shiftedDown)]
    const [c, d] = [upper(first, second, shiftedUp), upper(first, second, shiftedDown)]
    return [
      [a, c],
      [a, d],
      [b, c],
      [b, d],
    ].map(([one, other]) => ({
      product: f((one?.product ?? 0) + (other?.product ?? 0)),
      square: f((one?.square ?? 0) + (other?.square ?? 0)),
    }))
  })
  if (runs === null) return null
  const shifts = runs.scale < 0 ? 3 - runs.shifts : runs.shifts
  return settle(values, weights, codesOf(order, runs), { scale: Math.abs(runs.scale), isDown: [shifts > 1, shifts % 2 === 1] })
}
