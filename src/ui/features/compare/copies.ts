import type { Recipe } from '../../../quantization/recipe.ts'
import { addRecipes, editedId, recipesStore, replaceRecipe, selectRecipe } from '../../../state/recipes-store.ts'
import { runStore } from '../../../state/run-store.ts'

/** Puts a changed copy on the shelf under a free name and opens it in the editor; the original stays. Returns its id. */
export function addEditedCopy(recipe: Recipe): string {
  const taken = recipesStore.getState().entries.map((entry) => entry.recipe.id)
  const id = editedId(recipe.id, taken)
  addRecipes([{ ...recipe, id }])
  selectRecipe(id)
  return id
}

/**
 * The copy of a recipe that is being edited from the charts: one that has no results yet is changed again, so that several
 * blocks can be given their width one after the other.
 */
export function changeEditedCopy(of: Recipe, change: (recipe: Recipe) => Recipe): string {
  const measured = new Set(runStore.getState().report?.recipes.map((recipe) => recipe.id) ?? [])
  const stem = `${of.id.replace(/-edited(-\d+)?$/, '').slice(0, 66)}-edited`
  const open = recipesStore.getState().entries.find(({ recipe }) => recipe.id.startsWith(stem) && !measured.has(recipe.id))
  if (open === undefined) return addEditedCopy(change(of))
  replaceRecipe(open.recipe.id, { ...change(open.recipe), id: open.recipe.id })
  return open.recipe.id
}
