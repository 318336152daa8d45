import type { ActivationMode, PlannedActivationMode } from '../kernels/contract/activations.ts'
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

/** The same over a whole model, by checkpoint name of the weight. */
export function inputModesOf(
  graph: ModelGraph,
  resolved: ReadonlyMap<string, ResolvedTensor>,
  ofTransform: readonly BlockActivationModes[] = [],
): ReadonlyMap<string, Exclude<ActivationMode, { readonly kind: 'none' }>> {
  return new Map(
    graph.blocks.flatMap((block) => {
      const modes = activationModesOf(resolved, block, ofTransform[block.index])
      return block.linears.flatMap(({ role, weight }) => {
        const mode = modes[role]
        return mode === undefined || mode.kind === 'none' ? [] : [[weight, mode] as const]
      })
    }),
  )
}

/** What is known of them before a run, for the sizes of files: what the transform means to do, else what the grids do. */
export function plannedInputModes(
  graph: ModelGraph,
  recipe: Recipe,
  resolved: ReadonlyMap<string, ResolvedTensor>,
): ReadonlyMap<string, PlannedActivationMode> {
  const transform = transforms.get(recipe.transform.kind)
  const planned = transform.plannedInputs?.(transform.parse(recipe.transform)) ?? null
  if (planned === null) return inputModesOf(graph, resolved)
  const names = graph.blocks.flatMap((block) => block.linears.map(({ weight }) => weight))
  return new Map(names.filter((name) => (resolved.get(name)?.grid ?? null) !== null).map((name) => [name, planned]))
}
