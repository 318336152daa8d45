/**
 * The part of a rotation that is no power of two: an orthogonal matrix whose rows have the length sqrt(size), so that every
 * entry of a Hadamard matrix is 1 or -1.
 */
export interface BaseMatrix {
  readonly size: number
  /** [size, size] row-major. */
  readonly entries: Float64Array
  readonly isHadamard: boolean
}

/** Entries are kept, so that a wider one would cost more than it is worth: 8 MiB. */
export const widestBase = 1024

/**
 * A matrix for the odd part of `size`: the smallest Hadamard matrix by Paley's constructions whose size is `size` over a power
 * of two; where there is none, Hartley's matrix of the odd part itself. `null` where that is wider than `widestBase`.
 */
export function baseMatrixOf(size: number): BaseMatrix | null {
  let odd = size
  while (odd % 2 === 0) odd /= 2
  if (odd === 1) return { size: 1, entries: Float64Array.of(1), isHadamard: true }
  for (let width = 4 * odd; width <= Math.min(size, widestBase) && size % width === 0; width *= 2) {
    const entries = paley(width)
    if (entries !== null) return { size: width, entries, isHadamard: true }
  }
  return odd > widestBase ? null : { size: odd, entries: hartley(odd), isHadamard: false }
}

/** cas(2 pi i j / n) = cos + sin, which is symmetric and orthogonal for every n, with entries of at most sqrt(2). */
function hartley(size: number): Float64Array {
  const cas = Float64Array.from({ length: size }, (_, k) => {
    const angle = (2 * Math.PI * k) / size
    return Math.cos(angle) + Math.sin(angle)
  })
  return fill(size, (i, j) => cas[(i * j) % size] ?? 0)
}

/** Paley 1933: size q + 1 for a prime q of 4 k + 3, size 2 (q + 1) for one of 4 k + 1. `null` for other sizes. */
function paley(size: number): Float64Array | null {
  if (isPrime(size - 1) && (size - 1) % 4 === 3) {
    const core = bordered(size - 1, -1)
    return fill(size, (i, j) => (i === j ? 1 : core(i, j)))
  }
  const half = size / 2
  if (!isPrime(half - 1) || (half - 1) % 4 !== 1) return null
  const core = bordered(half - 1, 1)
  return fill(size, (i, j) => {
    const [row, column] = [i % 2, j % 2]
    const sign = core(Math.floor(i / 2), Math.floor(j / 2))
    // [[1, 1], [1, -1]] times the sign; on the diagonal, where it is 0, [[1, -1], [-1, -1]].
    if (sign !== 0) return row + column === 2 ? -sign : sign
    return row + column === 0 ? 1 : -1
  })
}

/** Whether i - j is a square modulo q, as 1 or -1 and 0 on the diagonal, behind a first row of 1 and a first column of `border`. */
function bordered(q: number, border: 1 | -1): (i: number, j: number) => number {
  const isSquare = new Set(Array.from({ length: q - 1 }, (_, k) => ((k + 1) * (k + 1)) % q))
  return (i, j) => {
    if (i === j) return 0
    if (i === 0) return 1
    if (j === 0) return border
    return isSquare.has((i - j + q) % q) ? 1 : -1
  }
}

function fill(size: number, entry: (i: number, j: number) => number): Float64Array {
  return Float64Array.from({ length: size * size }, (_, at) => entry(Math.floor(at / size), at % size))
}

function isPrime(value: number): boolean {
  if (value < 2) return false
  for (let divisor = 2; divisor * divisor <= value; divisor++) if (value % divisor === 0) return false
  return true
}
