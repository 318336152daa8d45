import type { MatrixShape } from './matrix.ts'

/**
 * Affine integers: w ~ scale * (code - zeroPoint), codes 0 .. 2^bits - 1.
 * Range of a group always includes 0. Asymmetric: scale = (max - min) / (2^bits - 1), zeroPoint = half-even(-min / scale),
 * clamped to the code range. Symmetric: range [-m, m] with m the largest |w|, zeroPoint = 2^(bits - 1).
 * The scale is rounded to half precision *before* codes are computed (files store it so), never to 0 for a group that is
 * not all zero; an all-zero group has scale 1. code = clamp(half-even(w / scale) + zeroPoint). Every step in f32.
 */
export interface AffineParams {
  /** 2 to 8. */
  readonly bits: number
  readonly isSymmetric: boolean
  /** Columns that share a scale; a last short group is allowed. `row`: one group a row; `tensor`: one for all. */
  readonly group: number | 'row' | 'tensor'
}

export interface AffineTensor extends MatrixShape, AffineParams {
  /**
   * Codes of each row as a bit stream, least significant bit first (code i of a row at bits [bits*i, bits*i + bits)),
   * rows padded to whole bytes: rows * ceil(columns * bits / 8) bytes.
   */
  readonly codes: Uint8Array<ArrayBuffer>
  /** Half-precision values widened to f32, [rows, groups] row-major; one value for `tensor`. */
  readonly scales: Float32Array<ArrayBuffer>
  /** One byte a group, same order as `scales`. */
  readonly zeroPoints: Uint8Array<ArrayBuffer>
}

/** Groups per row: 1 for `row`; for `tensor` the whole matrix has one and this returns 1. */
export function groupsPerRow(columns: number, group: AffineParams['group']): number {
  return typeof group === 'number' ? Math.ceil(columns / group) : 1
}

/** Bytes of one row of packed codes. */
export function packedRowBytes(columns: number, bits: number): number {
  return Math.ceil((columns * bits) / 8)
}
