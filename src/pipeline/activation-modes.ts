import type { InputsId } from '../evaluation/result.ts'
import { type InputRounding, isOfRecipe, type RuntimeRounding } from '../kernels/contract/activations.ts'
import type { BlockSpec, ModelGraph } from '../models/model-graph.ts'
import type { TensorEncoding } from '../quantization/quantized-tensor.ts'
import type { Recipe } from '../quantization/recipe.ts'
import { encodings, transforms } from '../quantization/registry.ts'
import type { ResolvedTensor } from '../quantization/resolve.ts'
import type { BlockActivationModes } from '../runtime/graphs/activations.ts'

/** Whether the inputs of any linear of a recipe's blocks are rounded. */
export function isInputRounded(graph: ModelGraph, resolved: ReadonlyMap<string, ResolvedTensor>, inputs: InputsId): boolean {
  return graph.blocks.some((block) => Object.keys(measuredModesOf(resolved, block, { ofTransform: {}, inputs })).length > 0)
}

/** How inputs of a matrix in this form are rounded where a recipe says nothing of them. */
export function runtimeRounding(encoding: TensorEncoding, inputs: InputsId): RuntimeRounding {
  const ofFloats = { kind: 'none' } as const
  if (inputs === 'float' || encoding.encoding === 'source') return ofFloats
  return encodings.get(encoding.encoding).llamaCppInputs?.(encoding) ?? ofFloats
}

/** How the inputs of a block's linears are rounded where it is measured: as the recipe has it, else as the runtime does. */
export function measuredModesOf(
  resolved: ReadonlyMap<string, ResolvedTensor>,
  block: BlockSpec,
  { ofTransform, inputs }: { readonly ofTransform: BlockActivationModes | undefined; readonly inputs: InputsId },
): BlockActivationModes {
  const ofRuntime = block.linears.flatMap(({ role, weight }) => {
    const encoding = resolved.get(weight)?.encoding
    const mode = encoding === undefined ? undefined : runtimeRounding(encoding, inputs)
    return mode === undefined || mode.kind === 'none' ? [] : [[role, mode] as const]
  })
  return { ...Object.fromEntries(ofRuntime), ...activationModesOf(resolved, block, ofTransform) }
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
): ReadonlyMap<string, InputRounding> {
  return new Map(
    graph.blocks.flatMap((block) => {
      const modes = activationModesOf(resolved, block, ofTransform(block))
      return block.linears.flatMap(({ role, weight }) => {
        const mode = modes[role]
        return isOfRecipe(mode) ? [[weight, mode] as const] : []
      })
    }),
  )
}

/** What is known of them before a run: scales that calibration finds are NaN. */
export function plannedInputModes(
  graph: ModelGraph,
  recipe: Recipe,
  resolved: ReadonlyMap<string, ResolvedTensor>,
): ReadonlyMap<string, InputRounding> {
  const transform = transforms.get(recipe.transform.kind)
  const planned = transform.plannedMode?.(transform.parse(recipe.transform)) ?? null
  return inputModesOf(graph, resolved, (block) =>
    planned === null
      ? undefined
      : Object.fromEntries(
          block.linears.flatMap(({ role, weight }) => ((resolved.get(weight)?.grid ?? null) === null ? [] : [[role, planned]])),
        ),
  )
}
