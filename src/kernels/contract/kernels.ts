import type { AffineFit, AffineTensor } from './affine.ts'
import type { CodeBookParams, CodeBookTensor } from './codebook.ts'
import type { DescentOptions, DescentResult } from './descent.ts'
import type { AffineSteps, FactorOptions, InverseFactor, StepRule, SweepOptions, SweepResult } from './feedback.ts'
import type { GgmlType } from './ggml.ts'
import type { Int8RowsTensor } from './int8-rows.ts'
import type { KMeansParams, KMeansTensor } from './k-means.ts'
import type { Matrix, MatrixShape, StoredMatrix } from './matrix.ts'
import type { KernelPlacement } from './placement.ts'
import type { RealAffineFit, RealAffineTensor } from './real-affine.ts'

export type { Matrix, MatrixShape, StoredMatrix } from './matrix.ts'

/**
 * The operations quantization needs, and nothing about how they are done. `reference` is the specification, `wasm` and
 * `webgpu` prove themselves against it in `conformance/`. Matrices are row-major [rows, columns].
 *
 * Ownership: inputs stay the caller's and are not changed; results are new and the caller's. Inputs in shared memory are not
 * copied: they must stay as they are until the call has ended. Every operation takes an `AbortSignal` and then rejects with
 * `aborted`. Rows are independent: a backend may split them among threads, and the
 * result must not depend on the split (same bytes for any number of threads).
 */
export interface Kernels {
  /** For the result's "made by": `reference`, `wasm x2`, `wasm x2 + webgpu nvidia ampere (accumulateGram)`. */
  readonly backend: string
  readonly threads: number
  /** Where operations run, when some may run on a graphics card. */
  readonly placement?: KernelPlacement

  /** Nearest rounding on the affine grid; rules in `AffineParams` and `clipSteps`. */
  quantizeAffine(input: Matrix, params: AffineFit, signal?: AbortSignal): Promise<AffineTensor>
  dequantizeAffine(tensor: AffineTensor, signal?: AbortSignal): Promise<Float32Array<ArrayBuffer>>

  /** Affine codes with zero points that are halves; rules in `RealAffineFit`. */
  quantizeRealAffine(input: Matrix, fit: RealAffineFit, signal?: AbortSignal): Promise<RealAffineTensor>
  dequantizeRealAffine(tensor: RealAffineTensor, signal?: AbortSignal): Promise<Float32Array<ArrayBuffer>>

  /**
   * The nearest of a table of values for each group; rule in `KMeansParams`. Throws when an importance is negative or not
   * finite.
   */
  quantizeKMeans(input: Matrix, params: KMeansParams, options?: ImportanceOptions, signal?: AbortSignal): Promise<KMeansTensor>
  dequantizeKMeans(tensor: KMeansTensor, signal?: AbortSignal): Promise<Float32Array<ArrayBuffer>>

  /**
   * ggml blocks, byte for byte as libggml's `ggml_quantize_chunk` writes them. Throws when columns % block size != 0 or when
   * an importance is negative or not finite.
   */
  quantizeGgml(input: Matrix, type: GgmlType, options?: ImportanceOptions, signal?: AbortSignal): Promise<Uint8Array>
  /**
   * `quantizeGgml` and `compareGgml` of a checkpoint's own values in one step: they are widened in the thread that encodes
   * them, so that no f32 copy of a matrix is ever made or handed over.
   */
  quantizeStored(source: StoredMatrix, type: GgmlType, signal?: AbortSignal): Promise<MeasuredBlocks>
  /** The same on the affine grid: `quantizeAffine` and a comparison with its values. Not for `group: 'tensor'`, whose range needs all. */
  quantizeStoredAffine(source: StoredMatrix, params: AffineFit, signal?: AbortSignal): Promise<MeasuredAffine>
  dequantizeGgml(blocks: Uint8Array, shape: MatrixShape, type: GgmlType, signal?: AbortSignal): Promise<Float32Array<ArrayBuffer>>

  /** Blocks of 4-bit codes with a value each, code for code as bitsandbytes' CPU kernels; rule in `CodeBookParams`. */
  quantizeCodeBook(input: Matrix, params: CodeBookParams, signal?: AbortSignal): Promise<CodeBookTensor>
  dequantizeCodeBook(tensor: CodeBookTensor, signal?: AbortSignal): Promise<Float32Array<ArrayBuffer>>

  /** Rows of 8-bit codes with a scale each; rule in `Int8RowsTensor`. */
  quantizeInt8Rows(input: Matrix, signal?: AbortSignal): Promise<Int8RowsTensor>
  dequantizeInt8Rows(tensor: Int8RowsTensor, signal?: AbortSignal): Promise<Float32Array<ArrayBuffer>>

  /** Plain sums over a weight and its approximation; `evaluation/layer-error.ts` turns them into figures. */
  compareWeights(weight: Float32Array, approximation: Float32Array, signal?: AbortSignal): Promise<WeightSums>
  /** The same against ggml blocks, without their dequantized values ever leaving the thread that compares. */
  compareGgml(weight: Matrix, blocks: Uint8Array, type: GgmlType, signal?: AbortSignal): Promise<WeightSums>
  /**
   * Adds the upper triangle of X^T X to `gram` ([columns, columns], row-major, lower triangle untouched) and returns it.
   * f32 sums in token order, blocked.
   */
  accumulateGram(gram: Float32Array, input: Matrix, signal?: AbortSignal): Promise<Float32Array<ArrayBuffer>>
  /**
   * `sum` + A^T B for A = `left` [n, rows] and B = `right` [n, columns], [rows, columns] row-major. f32 sums in the order of n,
   * blocked as those of a Gram matrix. `sum` is not changed.
   */
  accumulateProduct(sum: Float32Array, left: Matrix, right: Matrix, signal?: AbortSignal): Promise<Float32Array<ArrayBuffer>>
  /** trace(D G D^T) for D [rows, columns] and G given by its upper triangle; f64 sum over rows. */
  traceThroughGram(delta: Matrix, gram: Float32Array, signal?: AbortSignal): Promise<number>
  /**
   * The same for each row d and each `span` columns of it alone: d G d^T with G's rows and columns of the group, [rows, groups]
   * row by row; the last group of a row may be short. Groups are at most `widestGroup` wide.
   */
  groupLosses(delta: Matrix, gram: Float32Array, span: number, signal?: AbortSignal): Promise<Float64Array<ArrayBuffer>>
  /**
   * U of `feedback.ts` from the upper triangle of G, without an explicit inverse: reverse rows and columns, Cholesky, invert
   * the triangle, reverse again. In f32 or f64, see `FactorOptions`.
   */
  factorInverse(gram: Float32Array, options: FactorOptions, signal?: AbortSignal): Promise<InverseFactor>
  /** Steps of an affine grid from the weights as they are: `group` columns share one, a last short group is allowed. */
  fitSteps(input: Matrix, group: number, rule: StepRule, signal?: AbortSignal): Promise<AffineSteps>
  /** Rounds with error feedback. Refuses weights that are not finite. */
  sweepColumns(input: Matrix, options: SweepOptions, signal?: AbortSignal): Promise<SweepResult>
  /** Learned rounding; rules in `DescentOptions`. Refuses weights that are not finite. */
  descendCodes(input: Matrix, options: DescentOptions, signal?: AbortSignal): Promise<DescentResult>
  /** Histogram over [-limit, limit] in `bins` equal bins, and per-column largest |w|, for the charts. Non-finite values are counted, not binned. */
  describeWeights(input: Matrix, bins: number, signal?: AbortSignal): Promise<WeightDescription>
  /**
   * One tile of the vocabulary, [tokens, tile] logits of the float model and of a recipe. Adds to the running sums of each
   * token so that log-sum-exp, KL divergence and arg max come out exact after the last tile, whatever the tile width.
   */
  accumulateLogits(state: LogitState, tile: LogitTile, signal?: AbortSignal): Promise<LogitState>
  /**
   * The same kernels, whose ggml and affine quantizers make what they return in `memory`; what comes from a graphics card is in
   * fresh memory as ever. Not to be closed by themselves.
   */
  into(memory: ResultMemory): Kernels
  close(): Promise<void>
}

/**
 * Memory for results. Fresh memory costs more than many a quantizer: it is cleared page by page, in the thread that joins
 * what the others computed. Memory that was used before and is shared is written by all threads where it lies.
 */
export interface ResultMemory {
  /** So many bytes, from a multiple of 8 on, holding whatever was there. Threads may still write there after a call that rejected. */
  take(bytes: number): Uint8Array
}

/** ggml blocks and how far they are from the weights they stand for. */
export interface MeasuredBlocks {
  readonly blocks: Uint8Array
  readonly sums: WeightSums
}

/** Affine codes and how far their values are from the weights. */
export interface MeasuredAffine {
  readonly affine: AffineTensor
  readonly sums: WeightSums
}

export interface ImportanceOptions {
  /**
   * How much an error counts in each input column, [columns]: the mean square of the activations (llama.cpp's importance
   * matrix). ggml types that do not search (F32, F16, Q8_0, TQ, FP4) ignore it.
   */
  readonly importance?: Float32Array | null
}

export interface WeightSums {
  readonly count: number
  /** SUM (w - v)^2, f64. */
  readonly squaredError: number
  /** SUM w^2. */
  readonly squaredWeight: number
  /** SUM v^2. */
  readonly squaredApproximation: number
}

export interface WeightDescription {
  readonly min: number
  readonly max: number
  readonly mean: number
  readonly standardDeviation: number
  readonly zeroCount: number
  readonly nonFiniteCount: number
  /** Flat index of the first NaN or infinity, -1 when none. */
  readonly firstNonFinite: number
  /** Half width of the histogram: the largest finite |w|. */
  readonly limit: number
  readonly histogram: Uint32Array
  /** Largest |w| of each column (input channel). */
  readonly columnLargest: Float32Array
}

/**
 * Running sums per token; all Float64Array of length `tokens`. A fresh state has `floatMax` and `recipeMax` at -Infinity,
 * arg max at -1 and the rest 0. With p, q the softmaxes: after the last tile
 * lse = max + ln(sum), KL = weighted / floatSum - floatLse + recipeLse, where
 * weighted = SUM exp(l - floatMax) (l - r), l float and r recipe logits.
 */
export interface LogitState {
  readonly floatMax: Float64Array<ArrayBuffer>
  readonly floatSum: Float64Array<ArrayBuffer>
  readonly recipeMax: Float64Array<ArrayBuffer>
  readonly recipeSum: Float64Array<ArrayBuffer>
  readonly weighted: Float64Array<ArrayBuffer>
  readonly floatArgMax: Int32Array<ArrayBuffer>
  readonly recipeArgMax: Int32Array<ArrayBuffer>
  /** Logit of the token that really follows, once its tile came by. */
  readonly floatTarget: Float64Array<ArrayBuffer>
  readonly recipeTarget: Float64Array<ArrayBuffer>
}

export interface LogitTile {
  /** Logits [tokens, width]. */
  readonly float: Float32Array
  readonly recipe: Float32Array
  readonly tokens: number
  /** Vocabulary ids [vocabStart, vocabStart + width). */
  readonly vocabStart: number
  readonly width: number
  /** The following token of each position, -1 where none is scored. */
  readonly targets: Int32Array<ArrayBuffer>
}
