import type { Finding } from '../core/finding.ts'
import type { Support } from '../core/support.ts'
import type { ActivationMode, InputRounding } from '../kernels/contract/activations.ts'
import type { Kernels, Matrix } from '../kernels/contract/kernels.ts'
import type { BlockHalf } from '../models/block-halves.ts'
import type { BlockSpec, ModelConfig, ModelGraph } from '../models/model-graph.ts'
import type { AxisMember } from './axis-member.ts'
import type { Grid } from './grid.ts'
import type { AxisChoice } from './recipe.ts'
import type { LayerActivations, Rounding } from './rounding.ts'

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
  /** Whether the linear will be what `approximate` makes of it; false where the recipe's rounding makes up for errors itself. */
  readonly isFinal: boolean
}

/** Tokens of the calibration text that a `HalfLoss` is taken on, at most; `some` are the first of `all`, one window at least. */
export const lossTokens = { some: 512, all: 2048 } as const

/** Columns of G that a transform has a copy of at one time, at most. */
export const gramColumnsAtOnce = 1024

/**
 * Squared error, summed, of what a half of the block adds to the hidden states of the float model on the first of the calibration
 * text, where these tensors stand for the checkpoint's own.
 */
export type HalfLoss = (half: BlockHalf, changed: BlockTensors, tokens: keyof typeof lossTokens) => Promise<number>

export interface TransformOptions<Settings = unknown> {
  readonly settings: Settings
  readonly config: ModelConfig
  /** By tap; empty for transforms that need no inputs. */
  readonly inputs: ReadonlyMap<string, TapInputs>
  /** Largest magnitude in what the float model's linears give on the calibration text, by role; absent or empty where `needsOutputs` is not. */
  readonly outputs?: ReadonlyMap<string, number>
  /** Absent where the transform does not need it. */
  readonly halfLoss?: HalfLoss
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
  /** Whether zeros in its linears are meant; results then say how many there are. Absent: no. */
  readonly isPruned?: true
  /** By role of a linear: what did not go as asked. */
  readonly findings: ReadonlyMap<string, readonly Finding[]>
}

/** Rows of a matrix outside the blocks, [rows, hidden], on their way into the transformed model and back. */
export interface EndMatrix {
  apply(rows: Float32Array<ArrayBuffer>): Float32Array<ArrayBuffer>
  /** Undoes `apply`, so that errors are measured in the checkpoint's space. */
  restore(rows: Float32Array<ArrayBuffer>): Float32Array<ArrayBuffer>
}

/** What stands before the first block and after the last of a model whose hidden states are in another space. */
export interface ModelEnds {
  /** Hidden states between blocks, [tokens, hidden], of the checkpoint's model as those of the transformed one. */
  states(rows: Float32Array<ArrayBuffer>): Float32Array<ArrayBuffer>
  readonly embedding: EndMatrix
  /** The final norm as it becomes, [hidden]. */
  readonly finalNorm: Float32Array<ArrayBuffer>
  /** From rows of the checkpoint's head, or of its embedding where that is the head. */
  readonly head: EndMatrix
}

/** The part of a transform that reaches beyond the blocks: hidden states between them are then in a space of its own. */
export interface EndsTransform<Settings = unknown> {
  /** Whether these settings change anything outside the blocks; if so all of embedding, final norm and head are stored anew. */
  isUsed(settings: Settings): boolean
  /** The model as it becomes: a tied head may have to part from the embedding. Pure; only called where it is used. */
  graph(graph: ModelGraph, settings: Settings): ModelGraph
  /** `finalNorm`: the checkpoint's. Only called where it is used. */
  make(config: ModelConfig, settings: Settings, finalNorm: Float32Array<ArrayBuffer>): ModelEnds
}

/** Where weights of a transformed block go. */
export interface GridPlace {
  readonly grid: Grid
  /** What the grid's `parse` made of the choice. */
  readonly gridSettings: unknown
  readonly rounding: Rounding
}

/**
 * What is done to a block before it is quantized, and exactly undone elsewhere in the same block or at the ends of the model,
 * so that in float the model computes what it computed before; pruning alone changes the model. One file in `transforms/` each,
 * default export.
 */
export interface Transform<Settings = unknown> extends AxisMember<Settings> {
  /** Its words in ids and in a recipe's one-line summary; empty when it does nothing. */
  label(settings: Settings): string
  /** The inverse of `label`, `null` when the text is not one of its labels. */
  fromLabel(label: string): AxisChoice | null
  /** A familiar name that says transform and grid: `smoothquant-w8a8`. */
  named?(name: string): { readonly transform: AxisChoice; readonly grid: AxisChoice } | null
  /** Names of `named` worth suggesting when an id is mistyped. */
  readonly exampleNames?: readonly string[]
  supports(graph: ModelGraph, settings: Settings): Support
  /** Whether what it does outlives this grid and this rounding; absent: it always does. Asked for linears of blocks alone. */
  supportsGrid?(place: GridPlace): Support
  /** Whether it learns from what the float model puts into linears. */
  readonly needsInputs: boolean
  /** Whether it learns how far the outputs of linears reach as well. Absent: no. */
  needsOutputs?(settings: Settings): boolean
  /** Whether it measures errors at the ends of attention and MLP. Absent: no. */
  needsHalfLoss?(settings: Settings): boolean
  /** Whether the transformed block asks for rounded inputs of linears. */
  roundsInputs(settings: Settings): boolean
  /**
   * How it will have the inputs of linears on a grid rounded, as far as that is known before calibration: scales of
   * `int8-tensor` are NaN. Absent where it never does.
   */
  plannedMode?(settings: Settings): InputRounding | null
  /**
   * Checkpoint names of the tensors that may leave the checkpoint's values: linears, biases, norms. Those without a grid are
   * stored and exported in f32.
   */
  changes(block: BlockSpec, settings: Settings): readonly string[]
  /** Multiply-adds of `apply` for one block beside quantizing, for the estimate of time. */
  operations(block: BlockSpec, settings: Settings): number
  /** Absent: embedding, final norm and head stay what they are. */
  readonly ends?: EndsTransform<Settings>
  /** Inputs are not changed; what is asked for in vain (inputs that are not finite, ...) is a finding, not a fault. */
  apply(block: BlockSpec, tensors: BlockTensors, options: TransformOptions<Settings>): Promise<TransformedBlock>
}
