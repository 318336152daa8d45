import type { AffineParams } from './affine.ts'
import { packedRowBytes } from './affine.ts'
import type { MatrixShape } from './matrix.ts'

/**
 * Evenly spaced values whose zero point need not be a code: w ~ scale * (code - zeroPoint), codes 0 .. levels - 1, scale and
 * zero point halves. code = clamp(half-even(w / scale + zeroPoint)), every step in f32; so what a half loses of a zero point
 * costs nothing but at the ends of the range.
 */
export interface RealAffineParams {
  /** 2, 3 or another power of two to 256. */
  readonly levels: number
  /** The values lie the same on both sides of 0: the zero point is (levels - 1) / 2 in every group and is not stored. */
  readonly isSymmetric: boolean
  readonly group: Exclude<AffineParams['group'], 'tensor'>
}

/**
 * How scale and zero point of a group of n weights come about, every step in f32 but sums over the group in f64. Sums are taken
 * in four parts by column modulo 4 and added as (0 + 1) + (2 + 3).
 * - `mean`, 2 levels: with m = SUM |w| / n the scale is 2 m, so the values are -m and m, the best that share a magnitude
 *   (XNOR-Net); asymmetric they are c - m and c + m with c = SUM w / n and m = SUM |w - c| / n.
 * - `mean`, 3 levels, symmetric: the scale is SUM |w| / n (absmean of BitNet b1.58).
 * - `half-quadratic`, asymmetric (HQQ): step = (max - min) / (levels - 1) stays, the zero point is fitted; see
 *   `halfQuadratic`.
 * A scale is at least |w| / 2048 for the largest w of an asymmetric group, so that a half resolves the zero point.
 */
export interface RealAffineFit extends RealAffineParams {
  readonly fit: 'mean' | 'half-quadratic'
}

/**
 * Half-quadratic quantization (Badri and Shaji 2023): alternately, codes for the zero point, then the zero point for the
 * codes: z = mean(code - (w - e) / scale), where e is what the lp norm shrinks the error w - v to:
 * sign * max(0, |w - v| - |w - v|^(p - 1) / beta). beta is multiplied by kappa after each iteration. It ends when SUM |w - v|
 * does not fall or after `iterations`, and the zero point of least error is kept. Theirs looks at the error of the whole
 * matrix; here each group ends by itself, because rows must not depend on one another. These sums are f32. The norm's
 * unit is that of the weights, so it spares errors above 0.17 alone, which in a language model are outliers.
 */
export const halfQuadratic = { p: 0.7, beta: 10, kappa: 1.01, iterations: 20 } as const

export interface RealAffineTensor extends MatrixShape, RealAffineParams {
  /**
   * Codes of each row as in `AffineTensor`; of 3 levels five to a byte, the first one least significant in base 3. Rows padded
   * to whole bytes: rows * codeRowBytes(columns, levels).
   */
  readonly codes: Uint8Array<ArrayBuffer>
  /** Half-precision values widened to f32, [rows, groups] row-major. */
  readonly scales: Float32Array<ArrayBuffer>
  /** Same order and kind as `scales`; empty when symmetric. */
  readonly zeroPoints: Float32Array<ArrayBuffer>
}

/** Bytes of one row of packed codes. */
export function codeRowBytes(columns: number, levels: number): number {
  return levels === 3 ? Math.ceil(columns / 5) : packedRowBytes(columns, Math.log2(levels))
}
