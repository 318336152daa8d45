import type { Support } from '../core/support.ts'
import type { ActivationMode } from '../kernels/contract/activations.ts'
import type { Kernels, Matrix, MatrixShape, StoredMatrix, WeightSums } from '../kernels/contract/kernels.ts'
import type { AxisMember } from './axis-member.ts'
import type { FixedGrid, FixOptions, NoFixedGrid } from './fixed-grid.ts'
import type { QuantizedTensor, TensorEncoding } from './quantized-tensor.ts'
import type { AxisChoice } from './recipe.ts'

/**
 * A grid: which values a weight may take, and how they are stored. One file in `grids/` each, default export.
 * `Settings` are what `parse` made of a recipe's `grid` object.
 */
export interface Grid<Settings = unknown> extends AxisMember<Settings> {
  /** The part of a systematic preset id, e.g. `4bit-g32-sym` or `Q4_0`. */
  label(settings: Settings): string
  /** In words for a recipe's summary: `affine 4 bit, groups of 32`. */
  describe(settings: Settings): string
  /** The inverse of `label`: a grid choice, or `null` when the text is not one of this grid's labels. */
  fromLabel(label: string): AxisChoice | null
  /** Labels worth suggesting when a preset id is mistyped. */
  readonly exampleLabels: readonly string[]
  /** Whether a systematic id leaves nearest rounding unsaid: `Q4_0`, but `nearest-4bit-g32`. */
  readonly isNamedAlone: boolean
  /** What weights on the error of each input column change: nothing, the scales, or that it cannot do without them. */
  importanceUse(settings: Settings): ImportanceUse
  /** How a matrix will really be stored: fallbacks (row length not divisible, ...) are decided here. */
  encoding(shape: MatrixShape, settings: Settings): TensorEncoding
  supports(shape: MatrixShape, settings: Settings): Support
  /** How inputs of the linears are rounded when the recipe's blocks run; left out where they stay float. */
  activations?(settings: Settings): ActivationMode
  /**
   * Consecutive columns of a row whose largest weights set their common scale, so that narrowing them narrows the grid; left
   * out or `null` where scales are found otherwise or reach over rows.
   */
  rangeColumns?(shape: MatrixShape, settings: Settings): number | null
  /** Whether a weight of 0 is exactly 0 on the grid, whatever is beside it and whatever fallback comes in; absent: never. */
  keepsZero?(settings: Settings): boolean
  /** The grid's values around a histogram of limit `limit` for the chart; at most 256. */
  values(limit: number, settings: Settings): readonly number[]
  /** Other settings that lose less where few outer weights stretch the range of many; absent: it has none. */
  gentler?(settings: Settings): readonly { readonly choice: AxisChoice; readonly label: string }[]
  /** Nearest rounding. Encoding of the result equals `encoding(shape, settings)`, which is not `source`. */
  quantizeNearest(
    name: string,
    weight: Matrix,
    options: {
      readonly settings: Settings
      /** How much an error counts in each input column, [columns]; grids that do not search ignore it. */
      readonly importance?: Float32Array | null
      readonly kernels: Kernels
      readonly signal?: AbortSignal
    },
  ): Promise<QuantizedTensor>
  /** The grid laid out for a matrix, for roundings that choose codes by themselves; grids without it know nearest rounding only. */
  fixed?(name: string, weight: Matrix, options: FixOptions<Settings>): Promise<FixedGrid | NoFixedGrid>
  /** Whether `fixed` can do so with these settings where no fallback comes in; absent: always. */
  canFix?(settings: Settings): Support
  /**
   * Nearest rounding straight from a checkpoint's values, measured on the way: the same bytes as `quantizeNearest` gives,
   * without an f32 copy of the matrix. Absent, or `null` with these settings, where a grid has no such way.
   */
  quantizeStored?(
    name: string,
    source: StoredMatrix,
    options: { readonly settings: Settings; readonly kernels: Kernels; readonly signal?: AbortSignal },
  ): Promise<MeasuredTensor> | null
}

/** A quantized tensor and how far it is from the weights it stands for. */
export interface MeasuredTensor {
  readonly tensor: QuantizedTensor
  readonly sums: WeightSums
}

export type ImportanceUse = 'ignored' | 'used' | 'required'
