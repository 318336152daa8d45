import type { ModelGraph } from '../models/model-graph.ts'
import type { Recipe } from '../quantization/recipe.ts'
import { roundings, transforms } from '../quantization/registry.ts'
import type { LayerActivations } from '../quantization/rounding.ts'

/** What a recipe learns from the calibration text. */
export interface Learning {
  readonly from: 'none' | 'float' | 'own'
  readonly isTrueSequential: boolean
  /** Whether it compares its own inputs with the float model's, token by token. */
  readonly hasCrossTerm: boolean
  /** Whether its transform learns from the float model's inputs. */
  readonly transformNeedsInputs: boolean
  /** Whether it learns how far the outputs of the float model's linears reach. */
  readonly transformNeedsOutputs: boolean
}

export function learningOf(recipe: Recipe): Learning {
  const rounding = roundings.get(recipe.rounding.kind)
  const settings = rounding.parse(recipe.rounding)
  const transform = transforms.get(recipe.transform.kind)
  return {
    from: rounding.needsActivations,
    isTrueSequential: rounding.isTrueSequential?.(settings) ?? false,
    hasCrossTerm: rounding.needsCrossTerm?.(settings) ?? false,
    transformNeedsInputs: transform.needsInputs,
    transformNeedsOutputs: transform.needsOutputs?.(transform.parse(recipe.transform)) ?? false,
  }
}

/** Whether a recipe cannot do without a calibration text; an imatrix file stands in for one where only importance is asked for. */
export function learnsFromText({ from, transformNeedsInputs }: Learning, hasImportanceFile: boolean): boolean {
  return transformNeedsInputs || from === 'own' || (from === 'float' && !hasImportanceFile)
}

/** Whether a recipe's transform makes other blocks of the model's. Every block has the roles of the first. */
export function changesBlocks({ blocks: [first] }: ModelGraph, { transform }: Recipe): boolean {
  const member = transforms.get(transform.kind)
  return first !== undefined && member.changes(first, member.parse(transform)).length > 0
}

/** Tokens that a recipe's own hidden states hold. */
export function tokensOfRecipe(recipe: Recipe, tokens: { readonly evaluation: number; readonly calibration: number }): number {
  return tokens.evaluation + (learningOf(recipe).from === 'own' ? tokens.calibration : 0)
}

/** Tokens for which a recipe runs a block: those of its states once more for every pass that it learns from. */
export function blockTokensOfRecipe(
  recipe: Recipe,
  tokens: { readonly evaluation: number; readonly calibration: number },
  taps: number,
): number {
  const { from, isTrueSequential, hasCrossTerm } = learningOf(recipe)
  const passes = from !== 'own' ? 0 : isTrueSequential ? taps : 1
  return tokensOfRecipe(recipe, tokens) + (hasCrossTerm ? 2 : 1) * passes * tokens.calibration
}

/** `gram`: the upper triangle of X^T X over `tokens` rows. */
export function activationsOf(gram: Float32Array<ArrayBuffer>, tokens: number): LayerActivations {
  const columns = Math.sqrt(gram.length)
  const meanSquare = Float32Array.from({ length: columns }, (_, i) => (gram[i * columns + i] ?? 0) / tokens)
  return { tokens, meanSquare, gram }
}
