import type { Finding } from '../core/finding.ts'
import type { Support } from '../core/support.ts'
import type { ActivationMode } from '../kernels/contract/activations.ts'
import type { Kernels, Matrix } from '../kernels/contract/kernels.ts'
import type { BlockSpec, ModelGraph } from '../models/model-graph.ts'
import type { GridField } from './grid.ts'
import type { AxisChoice } from './recipe.ts'
import type { LayerActivations } from './rounding.ts'

/** f32 tensors of one block by role, as the runtime takes them: linears, `<role>.bias`, norms. */
export type BlockTensors = Readonly<Record<string, Float32Array<ArrayBuffer>>>

/** What the float model puts into the linears of one tap on the calibration text; columns are the linears' input features. */
export interface TapInputs extends LayerActivations {
  /** Mean of |x| of each column, [columns]. */
  readonly meanMagnitude: Float32Array<ArrayBuffer>
  /** Largest |x| of each column, [columns]. */
  readonly largest: Float32Array<ArrayBuffer>
  /** Some of the tokens, spread evenly over the text, in order. */
  readonly sample: Matrix
}

/** The grid that a linear of the block will lie on. */
export interface LinearGrid {
  /**
   * A matrix, or some rows of it, on the grid with nearest rounding and back in f32, [rows, columns]. `meanSquare` of its
   * inputs weighs the grid's search for scales where the recipe's rounding gives importance.
   */
  approximate(weight: Matrix, meanSquare: Float32Array<ArrayBuffer>): Promise<Float32Array<ArrayBuffer>>
  /** Consecutive columns of a row whose largest weights set their common scale; `null` where the grid does it otherwise. */
  readonly rangeColumns: number | null
}

export interface TransformOptions<Settings = unknown> {
  readonly settings: Settings
  /** By tap; empty for transforms that need no inputs. */
  readonly inputs: ReadonlyMap<string, TapInputs>
  /** By role; without the linears that stay float. */
  readonly grids: ReadonlyMap<string, LinearGrid>
  readonly kernels: Kernels
  readonly signal?: AbortSignal
}

/** A block after the transform, and the way between its space and the checkpoint's. */
export interface TransformedBlock {
  /** What is quantized and run; tensors that the transform leaves alone are those of the checkpoint. */
  readonly tensors: BlockTensors
  /** What the inputs of a tap become, from those of the checkpoint's block. */
  activationsOf(tap: string, seen: LayerActivations): LayerActivations
  /** The same for the mean squares of its columns alone. */
  importanceOf(tap: string, importance: Float32Array<ArrayBuffer>): Float32Array<ArrayBuffer>
  /**
   * A linear of the transformed block as the linear of the checkpoint's block that does the same. The error of an
   * approximation is measured there: with inputs X / s it is trace(D G' D^T) for D in the transformed space and G' = S^-1 G S^-1,
   * which is the same number, so errors with and without a transform compare.
   */
  restore(role: string, values: Float32Array<ArrayBuffer>): Float32Array<ArrayBuffer>
  /** How the inputs of linears are rounded when the block runs, by role; linears that are not named follow their grid. */
  readonly modes: Readonly<Record<string, ActivationMode>>
  /** By role of a linear: what did not go as asked. */
  readonly findings: ReadonlyMap<string, readonly Finding[]>
}

/**
 * What is done to a block before it is quantized, and exactly undone elsewhere in the same block, so that in float the
 * model computes what it computed before. One file in `transforms/` each, default export.
 */
export interface Transform<Settings = unknown> {
  /** `kind` in recipes. */
  readonly kind: string
  readonly title: string
  readonly explanation: string
  /** Place in a list of choices, familiar members first; those without one come after, by kind. */
  readonly order?: number
  readonly fields: readonly GridField[]
  /** Throws `StudioError` `recipe-invalid` naming the field. */
  parse(choice: AxisChoice): Settings
  /** Its words in ids and in a recipe's one-line summary; empty when it does nothing. */
  label(settings: Settings): string
  /** The inverse of `label`, `null` when the text is not one of its labels. */
  fromLabel(label: string): AxisChoice | null
  /** A familiar name that says transform and grid: `smoothquant-w8a8`. */
  named?(name: string): { readonly transform: AxisChoice; readonly grid: AxisChoice } | null
  /** Names of `named` worth suggesting when an id is mistyped. */
  readonly exampleNames?: readonly string[]
  supports(graph: ModelGraph, settings: Settings): Support
  /** Whether it learns from what the float model puts into linears. */
  readonly needsInputs: boolean
  /** Whether the transformed block asks for rounded inputs of linears. */
  roundsInputs(settings: Settings): boolean
  /**
   * How it will have the inputs of linears on a grid rounded, as far as that is known before calibration: the scale of
   * `int8-tensor` is NaN. Absent where it never does.
   */
  plannedMode?(settings: Settings): ActivationMode
  /**
   * Checkpoint names of the tensors that may leave the checkpoint's values: linears, biases, norms. Those without a grid are
   * stored and exported in f32.
   */
  changes(block: BlockSpec, settings: Settings): readonly string[]
  /** Multiply-adds of `apply` for one block beside quantizing, for the estimate of time. */
  operations(block: BlockSpec, settings: Settings): number
  /** Inputs are not changed; what is asked for in vain (inputs that are not finite, ...) is a finding, not a fault. */
  apply(block: BlockSpec, tensors: BlockTensors, options: TransformOptions<Settings>): Promise<TransformedBlock>
}
