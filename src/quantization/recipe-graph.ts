import type { ModelConfig, ModelGraph } from '../models/model-graph.ts'
import type { Recipe } from './recipe.ts'
import { transforms } from './registry.ts'
import type { ModelEnds } from './transform.ts'

/** Whether a recipe's transform changes embedding, final norm and head. */
export function changesEnds({ transform }: Recipe): boolean {
  const member = transforms.get(transform.kind)
  return member.ends?.isUsed(member.parse(transform)) ?? false
}

/** The model as a recipe's transform leaves it: a head that was the embedding may be a matrix of its own. */
export function recipeGraph(graph: ModelGraph, recipe: Recipe): ModelGraph {
  const member = transforms.get(recipe.transform.kind)
  return changesEnds(recipe) ? (member.ends?.graph(graph, member.parse(recipe.transform)) ?? graph) : graph
}

/** Embedding, final norm and head as the transform makes them; `null` where it leaves them alone. */
export function recipeEnds(config: ModelConfig, recipe: Recipe, finalNorm: Float32Array<ArrayBuffer>): ModelEnds | null {
  const member = transforms.get(recipe.transform.kind)
  return changesEnds(recipe) ? (member.ends?.make(config, member.parse(recipe.transform), finalNorm) ?? null) : null
}
