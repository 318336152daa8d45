import type { SweepGrid } from './feedback.ts'

/**
 * Learned rounding: the codes of each row by descent on its error through G, L = (v - w) G (v - w)^T, starting from given codes.
 * With D = v - w and P = D G (half the gradient), every step in f32 but sums over a row, which are f64 in order:
 *
 * - `settle`: columns in order try the code below theirs, then the one above; with d the change of the value, the first for
 *   which d (2 P_j + d G_jj) < 0 is taken and P follows. At most `settleSweeps` times over the row, until nothing changes.
 * - A round is `roundSteps` steps. P is computed anew for the best codes. Each column has a position u among the codes: where its
 *   weight lies between two levels, moved to within `reach` of its code. In step t (from 0) g_j = P_j / G_jj / scale, 0 where
 *   either is 0, all columns move by -rate g_j with rate = `stepLength` (1 - t / roundSteps) / rms(g), not farther than `reach`
 *   beyond the outermost codes, and take the code floor(u + 1/2). Then the row settles.
 *
 * Codes of least L win: the given ones, those after a first `settle`, after each step and after each round. P follows changes of
 * codes column by column, P += d G_j, which costs far less than a product with G for every step.
 *
 * AdaRound and AutoRound step by the sign of the gradient. Measured on correlated inputs that sets whole groups of columns
 * swinging to and fro; divided by the diagonal of G the same number of steps ends lower.
 */
export interface DescentOptions {
  /** Upper triangle of G, [columns, columns]. */
  readonly gram: Float32Array
  /** Where to start, an index of a level a byte, [rows, columns]. */
  readonly start: Uint8Array<ArrayBuffer>
  /** At least 0; with 0 the given codes only settle. */
  readonly rounds: number
  readonly groups: number
  /** Group of each column. */
  readonly groupOf: Int32Array<ArrayBuffer>
  /** Levels ascending. */
  readonly grid: Extract<SweepGrid, { kind: 'levels' }>
}

export interface DescentResult {
  /** As `DescentOptions.start`. */
  readonly codes: Uint8Array<ArrayBuffer>
  /** L of each row for the given codes, and for those that came out. */
  readonly before: Float64Array<ArrayBuffer>
  readonly after: Float64Array<ArrayBuffer>
}

export const settleSweeps = 20
export const roundSteps = 50
/** Of the root mean square of all moves in the first step, in codes. */
export const stepLength = 0.005
export const reach = Math.fround(0.499)
