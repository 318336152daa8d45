import type { BlockSpec, ModelGraph } from '../models/model-graph.ts'
import type { ResolvedTensor } from '../quantization/resolve.ts'
import type { BlockActivationModes } from '../runtime/graphs/activations.ts'

/** Whether any block of a recipe rounds the inputs of its linears. */
export function isInputRounded(graph: ModelGraph, resolved: ReadonlyMap<string, ResolvedTensor>): boolean {
  return graph.blocks.some((block) => Object.keys(activationModesOf(resolved, block)).length > 0)
}

/** How the inputs of a block's linears are rounded when it runs: as the recipe's transform says, else as its grids do. */
export function activationModesOf(
  resolved: ReadonlyMap<string, ResolvedTensor>,
  block: BlockSpec,
  ofTransform: BlockActivationModes = {},
): BlockActivationModes {
  return Object.fromEntries(
    block.linears.flatMap(({ role, weight }) => {
      const grid = resolved.get(weight)?.grid
      const mode = ofTransform[role] ?? grid?.member.activations?.(grid.settings)
      return mode === undefined || mode.kind === 'none' ? [] : [[role, mode]]
    }),
  )
}
