/**
 * The search that ggml's IQ2 and IQ3 types share (ggml-quants.c, quantize_row_iq2_xs_impl and its siblings): a group of weights
 * without their signs ~ scale * (2 code + 1), where every 4 or 8 codes must be a point of a code book.
 */
import type { CodeBookName } from '../../code-books.ts'
import { type Lattice, latticeOf } from './lattice.ts'
import { nearestInt, searchPositive } from './searches.ts'

const f = Math.fround

/** Errors from here on are no candidates (C's FLT_MAX). */
const largestFloat = (2 - 2 ** -23) * 2 ** 127

/** Level of each code. */
const oddLevels = [1, 3, 5, 7, 9, 11, 13, 15] as const

/** A group of weights made ready for the search; see `splitSigns`. */
export interface Magnitudes {
  /** Weights without their signs; negative where a sign had to be given up. */
  readonly values: Float32Array
  /** How much each counts, and the square root of that, by which ggml chooses between points. */
  readonly weights: Float32Array
  readonly roots: Float32Array
}

export interface LatticeSearch {
  readonly book: CodeBookName
  /** Codes are 0 .. largestCode, levels up to 2 largestCode + 1. */
  readonly largestCode: number
  /** The range that the first inverse scale spreads the levels over: up to the largest weight, or what a fit without a book finds. */
  readonly start: 'peak' | 'fit'
  /** Inverse scales tried: (largest level + step k) / range for k = -steps .. steps. */
  readonly steps: number
  readonly step: number
  /** What is looked up again with the scale found: points that lay outside the book, all when one did, or all in any case. */
  readonly again: 'outside' | 'all when outside' | 'all'
  /** Groups whose largest weight is below are all zero. */
  readonly zeroBelow: number
}

export interface LatticeFit {
  /** Negative when every sign is to be turned. */
  readonly scale: number
  /** A point for every 4 or 8 weights. */
  readonly indices: readonly number[]
}

interface Point {
  readonly index: number
  readonly isOutside: boolean
}

/** A scale and 1 / scale, one of them rounded. */
interface Scales {
  readonly inverse: number
  readonly scale: number
}

/** What a place of codes stands for: a level for each code, times a scale. */
export interface ScaledLevels {
  readonly scale: number
  readonly levels: readonly number[]
}

/**
 * Index of the point that takes the place of `codes` for the weights from `at` on: of their neighbours the one with the least
 * error, weighted by `roots`, the first one; the first of all when no error is a number.
 */
export function bestNeighbour(
  lattice: Lattice,
  codes: Uint8Array,
  { values, roots, at }: Pick<Magnitudes, 'values' | 'roots'> & { readonly at: number },
  { scale, levels }: ScaledLevels,
): number {
  const neighbours = lattice.neighboursOf(codes)
  let best = largestFloat
  let chosen = neighbours[0] ?? 0
  for (const index of neighbours) {
    let error = 0
    for (const [i, code] of (lattice.points[index] ?? []).entries()) {
      const difference = f(f(scale * (levels[code] ?? 0)) - (values[at + i] ?? 0))
      error = f(error + f(f((roots[at + i] ?? 0) * difference) * difference))
    }
    if (error < best) {
      best = error
      chosen = index
    }
  }
  return chosen
}

/** Looks up the point of the weights from `at` on: their codes at the inverse scale where the book has them, else a neighbour. */
function pointAt(parts: Magnitudes, at: number, { book, largestCode }: LatticeSearch, { inverse, scale }: Scales): Point {
  const lattice = latticeOf(book)
  const end = at + (lattice.points[0]?.length ?? 0)
  const codes = Uint8Array.from(parts.values.subarray(at, end), (x) =>
    Math.max(0, Math.min(largestCode, nearestInt(f(0.5 * f(f(inverse * x) - 1))))),
  )
  const index = lattice.indexOf(codes)
  if (index >= 0) return { index, isOutside: false }
  return { index: bestNeighbour(lattice, codes, { ...parts, at }, { scale, levels: oddLevels }), isOutside: true }
}

/** Sums of weight * x * level and of weight * level^2. */
function sumsOf({ values, weights }: Magnitudes, { points }: Lattice, chosen: readonly Point[]): { product: number; square: number } {
  let product = 0
  let square = 0
  let i = 0
  for (const { index } of chosen) {
    for (const code of points[index] ?? []) {
      const weight = weights[i] ?? 0
      const level = 2 * code + 1
      product = f(product + f(f(weight * (values[i] ?? 0)) * level))
      square = f(square + f(f(weight * level) * level))
      i++
    }
  }
  return { product, square }
}

/**
 * Scale and points of a group; null for one that is stored as nothing but scale 0. So is a group whose scale is not a number (no
 * weight counts, or sums pass the end of f32), where libggml ends the program.
 */
export function searchLattice(parts: Magnitudes, search: LatticeSearch): LatticeFit | null {
  const { book, largestCode, start, steps, step, again, zeroBelow } = search
  const lattice = latticeOf(book)
  const { values, weights } = parts
  const largestLevel = 2 * largestCode + 1
  const peak = values.reduce((largest, x) => (largest > x ? largest : x))
  if (peak < zeroBelow || peak === 0) return null
  let scale = start === 'fit' ? searchPositive(values, weights, largestCode + 2).scale : f(peak / largestLevel)
  const range = start === 'fit' ? f(scale * (largestCode + 1)) : peak
  if (range <= 0) return null

  const dimensions = lattice.points[0]?.length ?? 1
  const places = Array.from({ length: values.length / dimensions }, (_, k) => k * dimensions)
  let chosen: readonly Point[] = places.map(() => ({ index: 0, isOutside: again !== 'outside' }))
  let best = 0
  for (let k = -steps; k <= steps; k++) {
    const inverse = f(f(largestLevel + f(k * f(step))) / range)
    const tried = places.map((at) => pointAt(parts, at, search, { inverse, scale: f(1 / inverse) }))
    const { product, square } = sumsOf(parts, lattice, tried)
    if (square > 0 && f(product * product) > f(best * square)) {
      scale = f(product / square)
      best = f(scale * product)
      chosen = tried
    }
  }
  if (scale > 0 && (again === 'all' || chosen.some(({ isOutside }) => isOutside))) {
    const found = { inverse: f(1 / scale), scale }
    chosen = chosen.map((point, k) => (again === 'outside' && !point.isOutside ? point : pointAt(parts, places[k] ?? 0, search, found)))
    const { product, square } = sumsOf(parts, lattice, chosen)
    if (square > 0) scale = f(product / square)
  }
  return Number.isNaN(scale) ? null : { scale, indices: chosen.map(({ index }) => index) }
}
