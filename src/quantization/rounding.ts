import type { Support } from '../core/support.ts'
import type { Kernels, Matrix } from '../kernels/contract/kernels.ts'
import type { Grid, GridField } from './grid.ts'
import type { QuantizedTensor } from './quantized-tensor.ts'
import type { AxisChoice } from './recipe.ts'

/**
 * What calibration learnt about the inputs of one linear, from the recipe's own hidden states: the rows of X are tokens, the
 * columns the linear's input features.
 */
export interface LayerActivations {
  /** Rows of X. */
  readonly tokens: number
  /** Mean of the squares of each input column, [columns]: llama.cpp's importance, the diagonal of G over the tokens. */
  readonly meanSquare: Float32Array<ArrayBuffer>
  /** G = X^T X, [columns, columns] row-major, upper triangle. */
  readonly gram: Float32Array<ArrayBuffer>
}

/** Which allowed value each weight gets. One file in `rounding/` each, default export. */
export interface Rounding<Settings = unknown> {
  /** `kind` in recipes. */
  readonly kind: string
  readonly title: string
  readonly explanation: string
  readonly fields: readonly GridField[]
  /** Throws `StudioError` `recipe-invalid` naming the field. */
  parse(choice: AxisChoice): Settings
  /** First part of a systematic preset id: `nearest`. */
  label(settings: Settings): string
  /** The inverse of `label`, `null` when the text is not one of its labels. */
  fromLabel(label: string): AxisChoice | null
  supports(grid: Grid, settings: Settings): Support
  /** Whether `quantize` wants `activations`; recipes that do not are measured without calibrating. */
  readonly needsActivations: boolean
  quantize(name: string, weight: Matrix, options: RoundingOptions<Settings>): Promise<QuantizedTensor>
}

export interface RoundingOptions<Settings = unknown> {
  readonly settings: Settings
  readonly grid: Grid
  /** What the grid's `parse` made of the recipe's choice for this tensor. */
  readonly gridSettings: unknown
  /** `null` where calibration saw no input: an embedding, or a recipe that does not calibrate. */
  readonly activations: LayerActivations | null
  readonly kernels: Kernels
  readonly signal?: AbortSignal
}
