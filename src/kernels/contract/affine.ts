import type { MatrixShape } from './matrix.ts'

/**
 * Affine integers: w ~ scale * (code - zeroPoint), codes 0 .. 2^bits - 1.
 * Range of a group always includes 0. Asymmetric: step = (max - min) / (2^bits - 1), zeroPoint = half-even(-min / step),
 * clamped to the code range. Symmetric: range [-m, m] with m the largest |w|, zeroPoint = 2^(bits - 1).
 * code = clamp(half-even(w / step) + zeroPoint). Every step in f32, with one exception: the largest weight of a symmetric
 * group always falls half way between two codes, and there f64 decides (the step is moved by an ulp when f32 would decide
 * otherwise), so that codes are those of an exact implementation.
 * The stored scale is the step in half precision, as files hold it, never 0; codes come from the step itself, as GPTQ does,
 * because a scale that is off by 2^-12 costs nothing, codes that flip do. Where a half cannot hold the step to 11 bits
 * (below 2^-14, above 65504), codes come from the stored scale. An all-zero group has scale 1.
 */
export interface AffineParams {
  /** 2 to 8. */
  readonly bits: number
  readonly isSymmetric: boolean
  /** Columns that share a scale; a last short group is allowed. `row`: one group a row; `tensor`: one for all. */
  readonly group: number | 'row' | 'tensor'
}

/** What `quantizeAffine` is asked for. */
export interface AffineFit extends AffineParams {
  /**
   * `none` (default): the range is the group's own. `mse`: a narrower one where that costs less, by the rule of `clipSteps`;
   * not for `tensor`.
   */
  readonly clip?: 'none' | 'mse'
}

/**
 * The clip search of GPTQ's quantizer (norm 2.4, grid 100, maxshrink 0.8). For i = 0 .. clipSteps - 1 and p = 1 - i / 100 the
 * range is p * min .. p * max; the least SUM |value - w|^2.4 over the group wins, the first of equals. In units of the step
 * of the whole range, u = w / step, and with the zero point of the whole range the value is
 * p * clamp(half-even(u * (1 / p)), -zeroPoint, levels - zeroPoint). f32, summed in the order of the columns, |x|^2.4 as
 * `raiseTo2p4` of the reference writes it. The grid of the winning range is then fitted as any other.
 */
export const clipSteps = 80

export interface AffineTensor extends MatrixShape, AffineParams {
  /**
   * Codes of each row as a bit stream, least significant bit first (code i of a row at bits [bits*i, bits*i + bits)),
   * rows padded to whole bytes: rows * ceil(columns * bits / 8) bytes.
   */
  readonly codes: Uint8Array
  /** Half-precision values widened to f32, [rows, groups] row-major; one value for `tensor`. */
  readonly scales: Float32Array
  /** One byte a group, same order as `scales`. */
  readonly zeroPoints: Uint8Array
}

/** Groups per row: 1 for `row`; for `tensor` the whole matrix has one and this returns 1. */
export function groupsPerRow(columns: number, group: AffineParams['group']): number {
  return typeof group === 'number' ? Math.ceil(columns / group) : 1
}

/** Bytes of one row of packed codes. */
export function packedRowBytes(columns: number, bits: number): number {
  return Math.ceil((columns * bits) / 8)
}
