import type { MatrixShape } from './matrix.ts'

/**
 * Code books of 16 values between -1 and 1, by code. A weight is a value times the largest magnitude of its block.
 * - `nf4`: quantiles of the normal distribution (QLoRA, Dettmers et al. 2023), constants of bitsandbytes.
 * - `fp4`: 4-bit floats as bitsandbytes orders them, divided by the largest, 12. Code 8 is a second 0.
 * - `log2`: 0 and powers of two; bit 3 is the sign, the other bits m say 2^(m - 7), and m = 0 is zero.
 */
export const codeBooks = {
  nf4: Float32Array.of(
    -1,
    -0.6961928009986877,
    -0.5250730514526367,
    -0.39491748809814453,
    -0.28444138169288635,
    -0.18477343022823334,
    -0.09105003625154495,
    0,
    0.07958029955625534,
    0.16093020141124725,
    0.24611230194568634,
    0.33791524171829224,
    0.44070982933044434,
    0.5626170039176941,
    0.7229568362236023,
    1,
  ),
  fp4: Float32Array.from([0, 0.0625, 8, 12, 4, 6, 2, 3, 0, -0.0625, -8, -12, -4, -6, -2, -3], (value) => value / 12),
  log2: Float32Array.from({ length: 16 }, (_, code) => (code % 8 === 0 ? 0 : (code < 8 ? 1 : -1) * 2 ** ((code % 8) - 7))),
} as const satisfies Readonly<Record<string, Float32Array>>

export type CodeBookName = keyof typeof codeBooks

/**
 * Blocks run over the flattened matrix [rows * columns], whatever the length of a row; the last one may be short.
 * absmax = largest |w| of the block; v = w * (1 / max(absmax, 1e-38)), in f32. Of the values sorted (equal ones by code)
 * the code is that of the one with as many midpoints (a + b) / 2 below it as are < v: bitsandbytes' rule, in which a v on
 * a midpoint takes the lower value. In a short block v = w / absmax, and absmax is at least 1e-38.
 */
export interface CodeBookParams {
  readonly book: CodeBookName
  /** Weights that share a scale: a power of two from `smallestBlock` to `largestBlock`. */
  readonly blockSize: number
}

export const smallestBlock = 32
export const largestBlock = 4096

/** The floor of a divisor of bitsandbytes, as f32. */
export const smallestDivisor = Math.fround(1e-38)

export interface CodeBookTensor extends MatrixShape, CodeBookParams {
  /** Two codes a byte, the first in the high bits: ceil(rows * columns / 2) bytes; an odd last byte ends with the code of 0. */
  readonly codes: Uint8Array<ArrayBuffer>
  /** Largest magnitude of each block. */
  readonly scales: Float32Array<ArrayBuffer>
}

/** Blocks of a matrix, a short last one included. */
export function blockCount({ rows, columns }: MatrixShape, blockSize: number): number {
  return Math.ceil((rows * columns) / blockSize)
}

/** Bytes of the codes of a matrix. */
export function codeBytes({ rows, columns }: MatrixShape): number {
  return Math.ceil((rows * columns) / 2)
}

export interface SortedBook {
  /** Codes by ascending value. */
  readonly order: Uint8Array<ArrayBuffer>
  /** Midpoints between neighbours, 15. */
  readonly midpoints: Float32Array<ArrayBuffer>
}

export function sortBook(book: CodeBookName): SortedBook {
  const values = codeBooks[book]
  const valueOf = (code: number): number => values[code] ?? 0
  const order = Uint8Array.from(values.keys()).sort((a, b) => valueOf(a) - valueOf(b) || a - b)
  const midpoints = Float32Array.from({ length: order.length - 1 }, (_, i) =>
    Math.fround(Math.fround(valueOf(order[i] ?? 0) + valueOf(order[i + 1] ?? 0)) / 2),
  )
  return { order, midpoints }
}
