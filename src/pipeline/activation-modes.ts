import type { ActivationMode } from '../kernels/contract/activations.ts'
import type { BlockSpec, ModelGraph } from '../models/model-graph.ts'
import type { Recipe } from '../quantization/recipe.ts'
import { transforms } from '../quantization/registry.ts'
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

/** The same for a whole model by checkpoint name of the weight, as exports ask for it. `ofTransform` is by block. */
export function inputModesOf(
  graph: ModelGraph,
  resolved: ReadonlyMap<string, ResolvedTensor>,
  ofTransform: (block: BlockSpec) => BlockActivationModes | undefined,
): ReadonlyMap<string, ActivationMode> {
  return new Map(
    graph.blocks.flatMap((block) => {
      const modes = activationModesOf(resolved, block, ofTransform(block))
      return block.linears.flatMap(({ role, weight }) => {
        const mode = modes[role]
        return mode === undefined ? [] : [[weight, mode] as const]
      })
    }),
  )
}

/** What is known of them before a run: scales that calibration finds are NaN. */
export function plannedInputModes(
  graph: ModelGraph,
  recipe: Recipe,
  resolved: ReadonlyMap<string, ResolvedTensor>,
): ReadonlyMap<string, ActivationMode> {
  const transform = transforms.get(recipe.transform.kind)
  const planned = transform.plannedMode?.(transform.parse(recipe.transform))
  return inputModesOf(graph, resolved, (block) =>
    planned === undefined
      ? undefined
      : Object.fromEntries(
          block.linears.flatMap(({ role, weight }) => ((resolved.get(weight)?.grid ?? null) === null ? [] : [[role, planned]])),
        ),
  )
}
