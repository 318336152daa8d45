import type { AffineFit, AffineTensor } from './affine.ts'
import type { CodeBookParams, CodeBookTensor } from './codebook.ts'
import type { DescentOptions, DescentResult } from './descent.ts'
import type { FactorColumns, FactorStep, FactorValues, InverseSpan } from './factor.ts'
import type { AffineSteps, StepRule, SweepOptions, SweepResult } from './feedback.ts'
import type { GgmlType } from './ggml.ts'
import type { Int8RowsTensor } from './int8-rows.ts'
import type { KMeansParams, KMeansTensor } from './k-means.ts'
import type { LogitState, LogitTile, Matrix, MatrixShape, MeasuredBlocks, StoredMatrix, WeightSums } from './kernels.ts'
import type { RealAffineFit, RealAffineTensor } from './real-affine.ts'

/**
 * What a backend writes: each operation on one piece, synchronous, on one thread. `../split.ts` cuts the work into pieces
 * and joins the results, so a backend knows nothing of threads, and threads know nothing of the arithmetic.
 *
 * Inputs are views that must not be changed or kept. Arrays of results are the caller's where they are all of their buffer; those
 * that are part of a larger one are the backend's and hold until its next call. Quantizers refuse NaN and infinity with
 * `weights-not-finite`, naming the place.
 */
export interface KernelOperations {
  /** `reference`, `wasm`. */
  readonly backend: string

  /** Least and largest value, the range always including 0. */
  findRange(piece: MatrixPiece): ValueRange
  /** `range` is the whole matrix's for `group: 'tensor'`, else null. */
  quantizeAffine(piece: MatrixPiece, params: AffineFit, range: ValueRange | null): AffineTensor
  dequantizeAffine(piece: AffineTensor): Float32Array<ArrayBuffer>
  quantizeRealAffine(piece: MatrixPiece, fit: RealAffineFit): RealAffineTensor
  dequantizeRealAffine(piece: RealAffineTensor): Float32Array<ArrayBuffer>
  /** `importance` has a weight for each column, or is null. */
  quantizeKMeans(piece: MatrixPiece, params: KMeansParams, importance: Float32Array | null): KMeansTensor
  dequantizeKMeans(piece: KMeansTensor): Float32Array<ArrayBuffer>
  /** `importance` as above. */
  quantizeGgml(piece: MatrixPiece, type: GgmlType, importance: Float32Array | null): Pick<MeasuredBlocks, 'blocks'>
  quantizeStored(piece: StoredPiece, type: GgmlType): MeasuredBlocks
  /** `group` is not `tensor`. */
  quantizeStoredAffine(piece: StoredPiece, params: AffineFit): MeasuredAffinePiece
  dequantizeGgml(blocks: Uint8Array, shape: MatrixShape, type: GgmlType): Float32Array<ArrayBuffer>
  /** A piece is a whole number of blocks, except where the matrix ends. */
  quantizeCodeBook(piece: FlatPiece, params: CodeBookParams): Pick<CodeBookTensor, 'codes' | 'scales'>
  dequantizeCodeBook(piece: CodeBookTensor): Float32Array<ArrayBuffer>
  quantizeInt8Rows(piece: MatrixPiece): Int8RowsTensor
  dequantizeInt8Rows(piece: Int8RowsTensor): Float32Array<ArrayBuffer>
  compareWeights(weight: Float32Array, approximation: Float32Array): WeightSums
  compareGgml(piece: MatrixPiece, blocks: Uint8Array, type: GgmlType): WeightSums
  /** `gram` plus X^T X for the stripe, X the last `width` columns of `input`; what the result holds below the diagonal is not read. */
  accumulateGram(stripe: GramStripe, input: Matrix): Float32Array<ArrayBuffer>
  /** `sum` plus left^T right, [left.columns, right.columns]. */
  accumulateProduct(sum: Float32Array, left: Matrix, right: Matrix): Float32Array<ArrayBuffer>
  /** The stripe's part of trace(D G D^T), D the last `width` columns of `delta`. */
  traceThroughGram(stripe: GramStripe, delta: Matrix): number
  /** `blocks`: G of each group of `span` columns, whole and symmetric, one after the other. */
  groupLosses(delta: Matrix, blocks: Float32Array, span: number): Float64Array<ArrayBuffer>
  /** The next columns of L, in the panels of the columns' own rows and in those given besides. */
  factorColumns(pivots: FactorValues, rows: FactorValues, step: FactorStep): FactorColumns
  /**
   * Columns of Y as columns of U, [n - c, width] for the columns [c, c + width) of Y: rows and columns reversed, from row 0 and
   * to the last column on. `lower` are the panels of L from the first of the span on.
   */
  invertColumns(lower: FactorValues, span: InverseSpan): Float32Array<ArrayBuffer>
  fitSteps(piece: MatrixPiece, group: number, rule: StepRule): AffineSteps
  /** The arrays of `options.grid` hold the piece's rows. */
  sweepColumns(piece: MatrixPiece, options: SweepOptions): SweepResult
  /** The arrays of `options` that have rows hold the piece's. */
  descendCodes(piece: MatrixPiece, options: DescentOptions): DescentResult
  summarizeWeights(piece: MatrixPiece): WeightSummary
  /** Finite values in `bins` equal bins over [-limit, limit]: min(bins - 1, floor((w + limit) * (bins / (2 limit)))) in f64. */
  countWeights(data: Float32Array, limit: number, bins: number): Uint32Array<ArrayBuffer>
  accumulateLogits(state: LogitState, tile: LogitTile): LogitState
}

/** `MeasuredAffine` with the arrays of its tensor alone. */
export type MeasuredAffinePiece = Pick<AffineTensor, 'codes' | 'scales' | 'zeroPoints'> & { readonly sums: WeightSums }

/** Rows cut out of a matrix; `firstRow` is where they begin, for the texts of errors. */
export interface MatrixPiece extends Matrix {
  readonly firstRow: number
}

/** A run of the flattened matrix; `start` is the flat index of its first weight, for the texts of errors. */
export interface FlatPiece {
  readonly data: Float32Array
  readonly start: number
  /** Of the matrix. */
  readonly columns: number
}

/** The same of a matrix as a checkpoint holds it. */
export interface StoredPiece extends StoredMatrix {
  readonly firstRow: number
}

export interface ValueRange {
  readonly min: number
  readonly max: number
}

/**
 * Rows [start, start + rows) of a Gram matrix from their diagonal on: [rows, width] for the columns
 * [start, start + width), width >= rows, so that the stripe's own diagonal is that of the matrix.
 */
export interface GramStripe {
  readonly gram: Float32Array
  readonly rows: number
  readonly width: number
}

/**
 * Tokens whose products are summed from zero before they are added to the Gram matrix. Part of the specification: it fixes
 * the order of f32 sums, so every backend and every number of threads gives the same bytes.
 */
export const gramTokenBlock = 512

/** Columns of a group whose losses are asked for: its G is then no larger than a piece. */
export const widestGroup = 1024

export interface WeightSummary {
  /** Of finite values; 0 when there is none. */
  readonly min: number
  readonly max: number
  readonly sum: number
  readonly squares: number
  readonly finiteCount: number
  readonly zeroCount: number
  /** Flat index in the piece, -1 when none. */
  readonly firstNonFinite: number
  readonly columnLargest: Float32Array<ArrayBuffer>
}
