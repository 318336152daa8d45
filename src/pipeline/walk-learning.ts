import type { BlockSpec, LinearSpec } from '../models/model-graph.ts'
import type { LayerActivations } from '../quantization/rounding.ts'
import type { BlockWeights, ModelRunner } from '../runtime/engine.ts'
import type { BlockActivationModes } from '../runtime/graphs/activations.ts'
import { activationModesOf } from './activation-modes.ts'
import { CrossSums } from './cross-sums.ts'
import { batchTokens } from './hidden-states.ts'
import { activationsOf } from './learning.ts'
import { GramSums } from './measure.ts'
import { blockOperations, type RecipeRun, type WalkContext } from './walk-context.ts'

/** Linears of a block that are quantized with the same knowledge, in execution order. */
export interface LinearGroup {
  readonly linears: readonly LinearSpec[]
  readonly taps: ReadonlySet<string>
}

/** One group a tap where later linears are to see the errors of earlier ones, else one for the whole block. */
export function linearGroups(block: BlockSpec, isTrueSequential: boolean): LinearGroup[] {
  const taps = [...new Set(block.linears.map((linear) => linear.tap))]
  if (!isTrueSequential) return [{ linears: block.linears, taps: new Set(taps) }]
  return taps.map((tap) => ({ linears: block.linears.filter((linear) => linear.tap === tap), taps: new Set([tap]) }))
}

/**
 * What the recipe's own calibration states put into the linears of a group, the block being as it is now. Activations come and
 * go batch by batch; what stays is one G a tap, for as long as the caller keeps it.
 */
export async function ownActivations(
  context: WalkContext,
  block: BlockSpec,
  at: {
    readonly run: RecipeRun
    readonly runner: ModelRunner
    readonly weights: BlockWeights
    /** The recipe's block before any of it was rounded: what the float model does, in the space of the recipe's transform. */
    readonly floatWeights: BlockWeights
    readonly taps: ReadonlySet<string>
    /** Of the recipe's transform. */
    readonly inputModes: BlockActivationModes
  },
): Promise<ReadonlyMap<string, LayerActivations>> {
  const { kernels, progress, signal, evaluation } = context
  const { states } = at.run
  progress.at(block.index, 'calibrating', at.run.recipe.id)
  const grams = new GramSums(kernels)
  const operations = blockOperations(block.linears)
  let tokens = 0
  const cross = at.run.learning.hasCrossTerm ? new CrossSums(kernels) : null
  const loaded = await at.runner.loadBlock(at.weights, activationModesOf(at.run.resolved, block, at.inputModes))
  const float = cross === null ? null : await at.runner.loadBlock(at.floatWeights)
  try {
    for (let index = evaluation.length; index < states.shapes.length; index++) {
      const input = await states.read(index, signal)
      const rows = batchTokens(input)
      const { taps = {} } = await progress.forwarded(rows, rows * operations, () => loaded.run(input, { taps: true }))
      const wanted = Object.fromEntries(Object.entries(taps).filter(([tap]) => at.taps.has(tap)))
      await grams.add(wanted, { rows, of: rows }, signal)
      if (float !== null) {
        const seen = await context.float.read(index, signal)
        const states = at.run.ends === null ? seen : { ...seen, data: at.run.ends.states(seen.data) }
        const { taps: floatTaps = {} } = await progress.forwarded(rows, rows * operations, () => float.run(states, { taps: true }))
        await cross?.add(wanted, floatTaps, rows, signal)
      }
      tokens += rows
    }
  } finally {
    await loaded.release()
    await float?.release()
  }
  const crossOf = (tap: string): Pick<LayerActivations, 'cross'> => (cross === null ? {} : { cross: cross.get(tap) })
  return new Map([...at.taps].map((tap) => [tap, { ...activationsOf(grams.get(tap), tokens), ...crossOf(tap) }]))
}
