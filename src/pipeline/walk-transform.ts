import type { BlockSpec, LinearSpec } from '../models/model-graph.ts'
import { roundings, transforms } from '../quantization/registry.ts'
import type { LinearGrid, TapInputs, TransformedBlock } from '../quantization/transform.ts'
import type { BlockWeights, ModelRunner } from '../runtime/engine.ts'
import { halfLossOf } from './half-loss.ts'
import { activationsOf } from './learning.ts'
import type { GramSums } from './measure.ts'
import type { TapSums } from './tap-sums.ts'
import { type GridTensor, isOnGrid, type RecipeRun, resolvedOf, type WalkContext } from './walk-context.ts'
import { dequantize } from './weights.ts'

/** The block as the recipe's transform makes it; inputs are those of the float model on the calibration text. */
export async function transformBlock(
  context: WalkContext,
  block: BlockSpec,
  from: {
    readonly run: RecipeRun
    readonly runner: ModelRunner
    readonly weights: BlockWeights
    readonly grams: GramSums
    readonly sums: TapSums | null
  },
): Promise<TransformedBlock> {
  const { kernels, progress, signal } = context
  const { recipe } = from.run
  const transform = transforms.get(recipe.transform.kind)
  if (transform.needsInputs) progress.at(block.index, 'calibrating', recipe.id)
  const tokens = context.gramRows.reduce((sum, rows) => sum + rows, 0)
  const inputs = new Map<string, TapInputs>()
  if (transform.needsInputs && from.sums !== null) {
    for (const tap of new Set(block.linears.map((linear) => linear.tap))) {
      inputs.set(tap, { ...activationsOf(from.grams.get(tap), tokens), ...from.sums.get(tap) })
    }
  }
  const settings = transform.parse(recipe.transform)
  const { config } = context.checkpoint.graph
  const outputs = from.sums?.ranges ?? new Map<string, number>()
  return transform.apply(block, from.weights, {
    settings,
    config,
    inputs,
    outputs,
    grids: gridsOf(context, block, from.run),
    ...(transform.needsHalfLoss?.(settings) === true ? { halfLoss: await halfLossOf(context, block, from) } : {}),
    kernels,
    signal,
  })
}

function gridsOf(context: WalkContext, block: BlockSpec, run: RecipeRun): ReadonlyMap<string, LinearGrid> {
  return new Map(
    block.linears.flatMap((linear) => {
      const tensor = resolvedOf(run, linear.weight)
      return isOnGrid(tensor) ? [[linear.role, linearGrid(context, linear, { run, tensor })] as const] : []
    }),
  )
}

function linearGrid(
  { kernels, signal }: WalkContext,
  linear: LinearSpec,
  { run, tensor }: { readonly run: RecipeRun; readonly tensor: GridTensor },
): LinearGrid {
  const { member, settings } = tensor.grid
  const { givesImportance, needsActivations } = roundings.get(run.recipe.rounding.kind)
  return {
    rangeColumns: member.rangeColumns?.({ rows: linear.outFeatures, columns: linear.inFeatures }, settings) ?? null,
    isFinal: needsActivations !== 'own',
    async approximate(weight, meanSquare) {
      const options = { settings, importance: givesImportance ? meanSquare : null, kernels, signal }
      return dequantize(kernels, await member.quantizeNearest(tensor.name, weight, options), signal)
    },
  }
}
