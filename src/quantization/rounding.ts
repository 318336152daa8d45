import type { Finding } from '../core/finding.ts'
import type { Support } from '../core/support.ts'
import type { Kernels, Matrix, MatrixShape, StoredMatrix } from '../kernels/contract/kernels.ts'
import type { AxisMember } from './axis-member.ts'
import type { Grid, MeasuredTensor } from './grid.ts'
import type { QuantizedTensor } from './quantized-tensor.ts'
import type { AxisChoice } from './recipe.ts'

/** What calibration learnt about the inputs of one linear: the rows of X are tokens, the columns the linear's input features. */
export interface LayerActivations {
  /** Rows of X. */
  readonly tokens: number
  /** Mean of the squares of each input column, [columns]: llama.cpp's importance, the diagonal of G over the tokens. */
  readonly meanSquare: Float32Array<ArrayBuffer>
  /** G = X^T X, [columns, columns] row-major, upper triangle. */
  readonly gram: Float32Array<ArrayBuffer>
  /**
   * (F - X)^T X, [columns, columns] row-major, where the rows of F are what the float model puts in for the same tokens: how
   * far the inputs of a recipe have come away from it. Only for roundings that ask by `needsCrossTerm`.
   */
  readonly cross?: Float32Array<ArrayBuffer>
}

/** Which allowed value each weight gets. One file in `rounding/` each, default export. */
export interface Rounding<Settings = unknown> extends AxisMember<Settings> {
  /** First part of a systematic preset id: `nearest`. */
  label(settings: Settings): string
  /** The inverse of `label`, `null` when the text is not one of its labels. */
  fromLabel(label: string): AxisChoice | null
  /** What follows `+` in the id of a grid or mix that goes by a name of its own (`Q4_K+gptq`); absent: nothing follows. */
  suffix?(settings: Settings): string
  /** The inverse of `suffix`, `null` when the text is not one of its suffixes. */
  fromSuffix?(text: string): AxisChoice | null
  supports(grid: Grid, settings: Settings, use: GridUse): Support
  /**
   * Whose inputs `quantize` learns from. `float`: those that the unquantized model gives the linear, as llama.cpp's imatrix
   * tool takes them. `own`: those of the recipe, with everything before the linear quantized; the recipe's hidden states then
   * carry the calibration text through the walk.
   */
  readonly needsActivations: 'none' | 'float' | 'own'
  /** Whether `quantize` passes importance on to the grid, which some grids and some rules of allocation depend on. */
  readonly givesImportance: boolean
  /**
   * With `own`: whether linears of one input are quantized before those after them in the block see their inputs. Otherwise all
   * of a block learn from one pass with the block's float weights. Absent: they do not wait.
   */
  isTrueSequential?(settings: Settings): boolean
  /** With `own`: whether activations come with `cross`, for which every pass over the text is made in float too. Absent: no. */
  needsCrossTerm?(settings: Settings): boolean
  /** Most bytes that `quantize` holds beside the matrix, its codes and its activations, in all threads; absent: no more. */
  workBytes?(shape: MatrixShape, threads: number, settings: Settings): number
  /**
   * `Grid.quantizeStored` where that is what this rounding does; `null` where the grid has no such way. Absent where the
   * rounding does something else.
   */
  quantizeStored?(
    name: string,
    source: StoredMatrix,
    options: Omit<RoundingOptions<Settings>, 'activations' | 'importance'>,
  ): Promise<MeasuredTensor> | null
  quantize(name: string, weight: Matrix, options: RoundingOptions<Settings>): Promise<QuantizedTensor>
}

/** A grid as a recipe uses it. */
export interface GridUse {
  /** What the grid's `parse` made of the choice. */
  readonly gridSettings: unknown
  /** `recipe`: the recipe's own grid; `tensor`: what an override or the allocation chose for one matrix. */
  readonly place: 'recipe' | 'tensor'
}

export interface RoundingOptions<Settings = unknown> {
  readonly settings: Settings
  readonly grid: Grid
  /** What the grid's `parse` made of the recipe's choice for this tensor. */
  readonly gridSettings: unknown
  /** The recipe's own; `null` where calibration saw no input (an embedding or a head), or when only importance is learnt. */
  readonly activations: LayerActivations | null
  /**
   * Mean square of each input column, [columns], wherever the recipe learns: of the float model's inputs or from an imatrix file
   * with `needsActivations` `float`, of `activations` with `own`. `null` where nothing is known.
   */
  readonly importance: Float32Array<ArrayBuffer> | null
  /** Called for whatever does not go as asked while a valid tensor still comes out. */
  readonly onFinding?: (finding: Finding) => void
  readonly kernels: Kernels
  readonly signal?: AbortSignal
}
