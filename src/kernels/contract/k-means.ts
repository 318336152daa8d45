import type { AffineParams } from './affine.ts'
import type { MatrixShape } from './matrix.ts'

/**
 * A table of 2^bits values for each group, each weight stored as the number of the nearest one. The table is what Lloyd's
 * algorithm makes of the group's weights:
 * - Weights are sorted (equal ones by column, -0 as 0), their importances and products with them summed up in that order in
 *   f64, so that a cluster is a range of them and its mean two differences.
 * - From each of two starts: the mean of each cluster (kept where it has no importance), then borders at the middles between
 *   neighbouring means, values on a border below it; until no border moves, `kMeansIterations` times at most.
 * - Starts: the borders that a density to the power of about 1/3 asks for, over 4 * 2^bits stretches of equally many weights
 *   each of which gets values by width^0.625 (`companded`); and the values of the affine grid of these bits over the range
 *   that includes 0, so that the result is never worse than that grid.
 * - The start whose clusters keep more of SUM importance * w^2 wins, the second only if it is better.
 * - From there, 2^bits times at most and while more is kept: the cluster that gains most is cut at its mean, the two neighbours
 *   that lose least are joined, and Lloyd's algorithm goes on. That gets it out of where single outliers or empty clusters
 *   hold it.
 * Means are rounded to halves, at most 65504 in magnitude, and weights take the nearest: above the middle of two, in f64,
 * the upper.
 */
export interface KMeansParams {
  /** 1 to 8. */
  readonly bits: number
  /** Columns that share a table; a last short group is allowed. */
  readonly group: Exclude<AffineParams['group'], 'tensor'>
}

export const kMeansIterations = 50

export interface KMeansTensor extends MatrixShape, KMeansParams {
  /** As in `AffineTensor`. */
  readonly codes: Uint8Array<ArrayBuffer>
  /** Half-precision values widened to f32, [rows, groups, 2^bits], ascending in each table. */
  readonly centroids: Float32Array<ArrayBuffer>
}
