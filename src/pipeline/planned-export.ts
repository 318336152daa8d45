import type { Checkpoint } from '../checkpoint/checkpoint.ts'
import { defaultExportOptions } from '../export/options.ts'
import type { ExportFacts, ExportTarget } from '../export/target.ts'
import type { TensorSpec } from '../models/model-graph.ts'
import type { Recipe } from '../quantization/recipe.ts'
import { recipeGraph } from '../quantization/recipe-graph.ts'
import { changedEnds, changedFloats, encodingsOf, type ResolvedTensor } from '../quantization/resolve.ts'
import { plannedInputModes } from './activation-modes.ts'
import type { PlanFacts } from './plan-facts.ts'
import { calibrationSummary, importanceSummary } from './texts.ts'

/** What exports of a recipe can know before its run, with nothing chosen about the files. */
export function plannedExport(
  { checkpoint, request, texts, loaded }: Pick<PlanFacts, 'checkpoint' | 'request' | 'texts' | 'loaded'>,
  recipe: Recipe,
  resolved: ReadonlyMap<string, ResolvedTensor>,
): ExportFacts {
  return {
    checkpoint,
    graph: recipeGraph(checkpoint.graph, recipe),
    recipe,
    options: defaultExportOptions,
    encodings: encodingsOf(resolved, changedTensors(checkpoint, recipe, resolved)),
    inputModes: plannedInputModes(checkpoint.graph, recipe, resolved),
    importance: importanceSummary(loaded.importance, calibrationSummary(request, texts), checkpoint.graph),
  }
}

/** Tensors that a run stores in f32 because the recipe's transform may change them. */
export function changedTensors({ graph }: Checkpoint, recipe: Recipe, resolved: ReadonlyMap<string, ResolvedTensor>): TensorSpec[] {
  return [...graph.blocks.flatMap((block) => changedFloats(block, recipe, resolved)), ...changedEnds(graph, recipe, resolved)]
}

/** Where matrices of the recipe lie in the first file that holds them as they are stored, by name; empty where none does. */
export function offsetsInPlace(facts: ExportFacts, targets: readonly ExportTarget[]): ReadonlyMap<string, number> {
  for (const target of targets) {
    if (target.supports(facts) !== true) continue
    const file = target.layout(facts).find(({ inPlace }) => inPlace !== undefined)
    if (file?.inPlace !== undefined) return file.inPlace.offsets
  }
  return new Map()
}
