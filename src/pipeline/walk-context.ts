import type { Checkpoint } from '../checkpoint/checkpoint.ts'
import type { Finding } from '../core/finding.ts'
import type { InputsId } from '../evaluation/result.ts'
import type { FileStore } from '../io/file-store.ts'
import type { Kernels, Matrix } from '../kernels/contract/kernels.ts'
import type { BlockSpec, LinearSpec, ModelGraph } from '../models/model-graph.ts'
import type { Grid } from '../quantization/grid.ts'
import type { GridEncoding, QuantizedTensor } from '../quantization/quantized-tensor.ts'
import type { Recipe } from '../quantization/recipe.ts'
import { roundings, transforms } from '../quantization/registry.ts'
import type { ResolvedTensor } from '../quantization/resolve.ts'
import type { LayerActivations } from '../quantization/rounding.ts'
import type { ModelEnds } from '../quantization/transform.ts'
import type { WindowBatch } from './batches.ts'
import type { HiddenStates } from './hidden-states.ts'
import type { StoredBlock } from './journal.ts'
import { blockTokensOfRecipe, type Learning } from './learning.ts'
import type { ProgressMeter } from './progress.ts'

/** A recipe in the run: what it makes of every matrix, and its own hidden states. */
export interface RecipeRun {
  readonly recipe: Recipe
  readonly learning: Learning
  /** The model as the recipe's transform leaves it. */
  readonly graph: ModelGraph
  /** `null` where the transform stays within the blocks; else the recipe's hidden states are in a space of their own. */
  readonly ends: ModelEnds | null
  readonly resolved: ReadonlyMap<string, ResolvedTensor>
  /** The evaluation batches; then the calibration batches when the recipe learns from its own states. */
  readonly states: HiddenStates
}

/** A block, or the embedding, that is computed and stored; `commit` makes its hidden states the current ones. */
export interface FinishedBlock extends Pick<StoredBlock, 'parts' | 'squares'> {
  commit(): void
}

/** What every step of the walk needs. */
export interface WalkContext {
  readonly checkpoint: Checkpoint
  readonly kernels: Kernels
  readonly store: FileStore
  /** Folder of the run in `store`. */
  readonly folder: string
  readonly recipes: readonly RecipeRun[]
  /** Float hidden states: the evaluation batches, then the calibration batches. */
  readonly float: HiddenStates
  readonly evaluation: readonly WindowBatch[]
  readonly calibration: readonly WindowBatch[]
  /** What recipes' matrices take on the evaluation batches. */
  readonly inputs: InputsId
  /** Rows of each float batch that go into G. */
  readonly gramRows: readonly number[]
  /** Mean squares of inputs by weight, from a file; `null`: they are measured. */
  readonly importance: ReadonlyMap<string, Float32Array<ArrayBuffer>> | null
  readonly progress: ProgressMeter
  readonly signal: AbortSignal
}

/** A resolved tensor that has a grid. */
export type GridTensor = ResolvedTensor & { readonly grid: NonNullable<ResolvedTensor['grid']>; readonly encoding: GridEncoding }

export function resolvedOf(run: RecipeRun, name: string): ResolvedTensor {
  const resolved = run.resolved.get(name)
  if (resolved === undefined) throw new RangeError(`${name} was not resolved`)
  return resolved
}

export function isOnGrid(tensor: ResolvedTensor): tensor is GridTensor {
  return tensor.grid !== null
}

/** Rounds a matrix, or consecutive rows of one, as the recipe says. */
export function quantizeMatrix(
  context: Pick<WalkContext, 'kernels' | 'signal'>,
  recipe: Recipe,
  tensor: GridTensor,
  values: {
    readonly weight: Matrix
    readonly activations: LayerActivations | null
    readonly importance: Float32Array<ArrayBuffer> | null
    readonly onFinding?: (finding: Finding) => void
  },
): Promise<QuantizedTensor> {
  const rounding = roundings.get(recipe.rounding.kind)
  const grid: Grid = tensor.grid.member
  return rounding.quantize(tensor.name, values.weight, {
    settings: rounding.parse(recipe.rounding),
    grid,
    gridSettings: tensor.grid.settings,
    activations: values.activations,
    importance: values.importance,
    ...(values.onFinding === undefined ? {} : { onFinding: values.onFinding }),
    kernels: context.kernels,
    signal: context.signal,
  })
}

/** Multiply-adds of the linears for one token. */
export function blockOperations(linears: readonly LinearSpec[]): number {
  return linears.reduce((sum, linear) => sum + linear.inFeatures * linear.outFeatures, 0)
}

/** Multiply-adds of the blocks and of the head over all streams. */
export function walkWork(
  checkpoint: Checkpoint,
  tokens: { readonly evaluation: number; readonly calibration: number; readonly scored: number },
  recipes: readonly Recipe[],
): {
  readonly block: number
  readonly head: number
} {
  const { graph } = checkpoint
  const [first] = graph.blocks
  const linears = first?.linears ?? []
  const taps = new Set(linears.map((linear) => linear.tap)).size
  const float = tokens.evaluation + tokens.calibration
  const transformed = first === undefined ? 0 : recipes.reduce((sum, recipe) => sum + transformOperations(first, recipe), 0)
  const streams = recipes.reduce((sum, recipe) => sum + blockTokensOfRecipe(recipe, tokens, taps), float)
  return {
    block: streams * blockOperations(linears) + transformed,
    head: (1 + recipes.length) * tokens.scored * graph.config.vocab * graph.config.hidden,
  }
}

function transformOperations(block: BlockSpec, { transform }: Recipe): number {
  const member = transforms.get(transform.kind)
  return member.operations(block, member.parse(transform))
}
