/**
 * Rounding with error feedback, as GPTQ (Frantar et al. 2022): columns are rounded one after the other, and what a column
 * loses is made up for by the columns still to come. With H = G + damping * I and U upper triangular, H^-1 = U^T U, the
 * error e = (w - q) / U_ii of a column changes a later column j by -e U_ij.
 *
 * "Position" is a place in the order of processing: position p takes column `order[p]`. `null` is the order of the columns.
 */
export interface FactorOptions {
  readonly order: Int32Array<ArrayBuffer> | null
  /** Added to every element of the diagonal of G. A column that is never used (G_ii = 0) needs it above 0. */
  readonly damping: number
  /** Columns from which f32 is tried before f64. Default: `f32Columns`; Infinity never tries it. */
  readonly f32From?: number
}

/** Narrower factors cost little in f64. */
export const f32Columns = 1024

/**
 * |U H U^T v - v| / |v| up to which a factor in f32 stands (`../factor-residual.ts`). Far below what rounding weights costs, and far
 * above what a well-conditioned matrix leaves, some 1e-6.
 */
export const largestF32Residual = 1e-4

/** A matrix that is not positive definite is an expected outcome: more damping helps. */
export type InverseFactor =
  | {
      readonly kind: 'factor'
      /** U by positions, [columns, columns] row-major, 0 below the diagonal. */
      readonly upper: Float32Array
      readonly computedIn: 'f32' | 'f64'
      /** What f32 left, where it was tried: above `largestF32Residual` when f64 had to follow, Infinity when f32 found no factor. */
      readonly f32Residual: number | null
    }
  | {
      readonly kind: 'not-positive-definite'
      /** The column whose pivot was not above 0. */
      readonly column: number
    }

/**
 * How the steps of an affine grid follow from weights: the rule of `AffineParams`, but what is a tie in exact numbers is
 * left to f32, as torch does. With `clip: 'mse'` the range is searched for by the rule of `clipSteps`.
 */
export interface StepRule {
  /** 2 to 8. */
  readonly bits: number
  readonly isSymmetric: boolean
  readonly clip: 'none' | 'mse'
}

/** Steps and zero points of groups of columns, [rows, groups] row-major. */
export interface AffineSteps {
  /** What weights are divided by: exact in f32, except that a step which a half cannot hold to 11 bits is that half. */
  readonly steps: Float32Array<ArrayBuffer>
  /** Whole numbers, as f32. */
  readonly zeroPoints: Float32Array<ArrayBuffer>
}

/**
 * The values that a row's columns may take, by group:
 * - `fit`: an affine grid fitted when the sweep comes to a group's first position, from the weights as the finished blocks
 *   have left them. The positions of a group must follow each other.
 * - `uniform`: q = clamp(half-even((w - offset) / scale) + zeroPoint, 0, largestCode), value = scale (q - zeroPoint) + offset.
 * - `levels`: q = nearest of the sorted levels to (w - offset) / scale, the higher one of two equally near;
 *   value = scale level + offset. One table for all groups, or one for each: [tables, count], count at most 256.
 * Arrays are [rows, groups]. A scale of 0 rounds everything as if w were the offset. NaN gets code 0.
 */
export type SweepGrid =
  | ({ readonly kind: 'fit' } & StepRule)
  | {
      readonly kind: 'uniform'
      readonly largestCode: number
      readonly scales: Float32Array
      readonly zeroPoints: Float32Array
      readonly offsets: Float32Array
    }
  | {
      readonly kind: 'levels'
      readonly levels: Float32Array
      readonly tables: 'shared' | 'by group'
      readonly scales: Float32Array
      readonly offsets: Float32Array
    }

export interface SweepOptions {
  /** U of `factorInverse` for the same order. */
  readonly upper: Float32Array
  readonly order: Int32Array<ArrayBuffer> | null
  /**
   * Positions that wait for each other's errors before the rest of the row hears of them: a multiple of 8, at most 128.
   * Part of the result, since it fixes the order of f32 sums and what `fit` sees.
   */
  readonly block: number
  readonly groups: number
  /** Group of each position. */
  readonly groupOf: Int32Array<ArrayBuffer>
  readonly grid: SweepGrid
}

export interface SweepResult {
  /** Index of the chosen value, one byte each, [rows, columns] in the order of the columns. */
  readonly codes: Uint8Array<ArrayBuffer>
  /** What `fit` fitted; empty for other grids. */
  readonly fitted: AffineSteps
  /** SUM e^2 of each row in f32: half of it is GPTQ's loss, |W - Q|^2 through H. Not finite when the sweep broke down. */
  readonly losses: Float32Array<ArrayBuffer>
}

/** Most positions in a block. */
export const largestSweepBlock = 128
