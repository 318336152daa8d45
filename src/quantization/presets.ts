import * as v from 'valibot'
import { parseRecipe, validateRecipe } from './parse-recipe.ts'
import type { Recipe } from './recipe.ts'

/** A recipe with a familiar name or a recommendation; one JSON file in `presets/`. */
export interface Preset {
  readonly recipe: Recipe
  readonly title: string
  readonly explanation: string
}

/** Recipes that answer one question together; one JSON file in `presets/sets/`. */
export interface PresetSet {
  readonly id: string
  readonly title: string
  readonly text: string
  readonly recipeIds: readonly string[]
}

const presetSchema = v.strictObject({
  order: v.number(),
  recipe: v.union([v.string(), v.looseObject({})]),
  title: v.string(),
  explanation: v.string(),
})
const setSchema = v.strictObject({ order: v.number(), id: v.string(), title: v.string(), text: v.string(), recipeIds: v.array(v.string()) })

const presetFiles = import.meta.glob<unknown>('./presets/*.json', { eager: true, import: 'default' })
const setFiles = import.meta.glob<unknown>('./presets/sets/*.json', { eager: true, import: 'default' })

export const presets: readonly Preset[] = Object.values(presetFiles)
  .map((file) => v.parse(presetSchema, file))
  .sort((a, b) => a.order - b.order)
  .map(({ recipe, title, explanation }) => ({
    recipe: typeof recipe === 'string' ? parseRecipe(recipe) : validateRecipe(recipe),
    title,
    explanation,
  }))

/**
 * A recipe from the id of a preset, from a systematic id or from JSON text: some presets go by names that follow no pattern.
 * Throws what `parseRecipe` throws.
 */
export function findRecipe(idOrJson: string): Recipe {
  const id = idOrJson.trim()
  return presets.find(({ recipe }) => recipe.id === id)?.recipe ?? parseRecipe(id)
}

export const presetSets: readonly PresetSet[] = Object.values(setFiles)
  .map((file) => v.parse(setSchema, file))
  .sort((a, b) => a.order - b.order)
  .map(({ id, title, text, recipeIds }) => ({ id, title, text, recipeIds }))
