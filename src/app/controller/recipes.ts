import type { Recipe } from '../../quantization/recipe.ts'
import { faultOf } from '../../state/fault.ts'
import { modelStore } from '../../state/model-store.ts'
import { addRecipes, editedId, recipesStore, replaceRecipe, selectRecipe } from '../../state/recipes-store.ts'
import { runStore } from '../../state/run-store.ts'
import { notify } from '../../state/ui-store.ts'
import type { StudioActions } from '../../ui/actions.ts'
import type { ControllerContext } from './context.ts'

type RecipeActions = Pick<
  StudioActions,
  | 'addSet'
  | 'addPreset'
  | 'pasteRecipe'
  | 'editRecipe'
  | 'renameRecipe'
  | 'gridValues'
  | 'choices'
  | 'riskCheck'
  | 'copyLink'
  | 'copyCommand'
>

const validId = /^[A-Za-z0-9._+-]{1,80}$/

/** A recipe whose figures are on screen, or a preset: its name stands for exactly that recipe. */
function isNameTaken(id: string): boolean {
  const hasResults = runStore.getState().report?.recipes.some((recipe) => recipe.id === id) ?? false
  const runs = runStore.getState().request?.recipes.some((recipe) => recipe.id === id) ?? false
  return hasResults || runs || isPresetId(id)
}

const isPresetId = (id: string): boolean => modelStore.getState().catalogue?.presets.some((preset) => preset.recipe.id === id) ?? false

/** Fields of a recipe stand in one order, whether it was read or edited. */
const isSame = (one: Recipe, other: Recipe): boolean => JSON.stringify(one) === JSON.stringify(other)

export function createRecipeActions({ service }: ControllerContext): RecipeActions {
  const shelfIds = (): string[] => recipesStore.getState().entries.map((entry) => entry.recipe.id)

  /** Several recipes may be pasted: a list in JSON, a link, or one id a line. */
  const parse = async (text: string): Promise<readonly Recipe[]> => {
    const link = /#?(recipes=[\w-]+={0,2})/.exec(text)?.[1]
    if (link !== undefined) return service.recipesFromLink(link)
    const trimmed = text.trim()
    if (trimmed.startsWith('[')) {
      const list: unknown = JSON.parse(trimmed)
      if (Array.isArray(list))
        return Promise.all(list.map((item) => service.parseRecipe(typeof item === 'string' ? item : JSON.stringify(item))))
    }
    if (trimmed.startsWith('{')) return [await service.parseRecipe(trimmed)]
    return Promise.all(trimmed.split(/[\s,]+/).map((id) => service.parseRecipe(id)))
  }

  /** The recipe as it stands, under another name where its own says something else: that of a preset, or one made of settings. */
  const underOwnName = async (recipe: Recipe, taken: readonly string[]): Promise<Recipe> => {
    const meant = await service.parseRecipe(recipe.id).catch(() => null)
    return meant === null || isSame(meant, recipe) ? recipe : { ...recipe, id: editedId(recipe.id, taken) }
  }

  /** Adds to the shelf and opens the first; a recipe called like one that is there already, and not the same, gets a free name. */
  const addAll = async (recipes: readonly Recipe[]): Promise<void> => {
    const added: Recipe[] = []
    for (const recipe of recipes) {
      const others = [...recipesStore.getState().entries.map((entry) => entry.recipe), ...added]
      const taken = others.map(({ id }) => id)
      const own = await underOwnName(recipe, taken)
      const twin = others.find(({ id }) => id === own.id)
      added.push(twin === undefined || isSame(twin, own) ? own : { ...own, id: editedId(own.id, taken) })
    }
    addRecipes(added)
    if (added[0] !== undefined) selectRecipe(added[0].id)
  }

  const copy = async (text: string, what: string): Promise<void> => {
    await navigator.clipboard.writeText(text)
    notify(`${what} copied.`)
  }

  return {
    async addSet(setId) {
      const set = modelStore.getState().catalogue?.sets.find((candidate) => candidate.id === setId)
      if (set === undefined) return
      try {
        addRecipes(await Promise.all(set.recipeIds.map((id) => service.parseRecipe(id))))
      } catch (error) {
        notify(faultOf(error).message)
      }
    },
    addPreset(recipe) {
      addRecipes([recipe])
      selectRecipe(recipe.id)
    },
    async pasteRecipe(text) {
      if (text.trim() === '') return 'There is nothing to read yet.'
      try {
        const recipes = await parse(text)
        if (recipes.length === 0) return 'The list is empty.'
        await addAll(recipes)
        return null
      } catch (error) {
        if (error instanceof SyntaxError) return `This is not JSON: ${error.message}.`
        const fault = faultOf(error)
        return `${fault.message} ${fault.remedy}`
      }
    },
    async editRecipe(id, change) {
      const entry = recipesStore.getState().entries.find((candidate) => candidate.recipe.id === id)
      if (entry === undefined) return
      const name = isNameTaken(id) ? editedId(id, shelfIds()) : id
      const next: Recipe = { ...entry.recipe, ...change, id: name }
      // Shown at once, so that controls answer at once; a recipe that cannot be is put back with the reason.
      replaceRecipe(id, next)
      try {
        await service.parseRecipe(JSON.stringify(next))
        const renamed = await underOwnName(next, shelfIds())
        const isStillThis = recipesStore.getState().entries.some((candidate) => candidate.recipe === next)
        if (isStillThis && renamed !== next) replaceRecipe(name, renamed)
      } catch (error) {
        const isStillThis = recipesStore.getState().entries.some((candidate) => candidate.recipe === next)
        if (isStillThis) replaceRecipe(name, entry.recipe)
        notify(faultOf(error).message)
      }
    },
    renameRecipe(id, name) {
      const entry = recipesStore.getState().entries.find((candidate) => candidate.recipe.id === id)
      if (entry === undefined || name === id) return null
      if (!validId.test(name)) return 'A name may hold letters, digits and . _ + - and is at most 80 long.'
      if (shelfIds().includes(name)) return `There is another recipe called ${name}.`
      if (isPresetId(name)) return `${name} is the name of a preset.`
      replaceRecipe(id, { ...entry.recipe, id: name })
      return null
    },
    async gridValues(recipe, tensor, limit) {
      try {
        return await service.gridValues(recipe, tensor, limit)
      } catch {
        // The editor shows the histogram without the grid's lines; the plan says what is wrong with the recipe.
        return null
      }
    },
    async choices(recipe) {
      try {
        return await service.choices(recipe)
      } catch {
        // Nothing is greyed then; taking a choice that cannot be is refused with its reason.
        return null
      }
    },
    async riskCheck(recipe, signal) {
      try {
        return await service.riskCheck(recipe, signal)
      } catch {
        // A hint that cannot be had is left out; the run says what is wrong with the recipe or the weights.
        return null
      }
    },
    async copyLink(recipes) {
      const fragment = await service.recipeLink(recipes)
      await copy(
        `${location.origin}${location.pathname}#${fragment}`,
        recipes.length === 1 ? 'Link to this recipe' : 'Link to these recipes',
      )
    },
    async copyCommand(recipes) {
      const summary = modelStore.getState().summary
      const plans = runStore.getState().plan?.recipes ?? []
      const targets = new Set(plans.flatMap((plan) => plan.targets.filter((target) => target.support === true).map((target) => target.id)))
      await copy(await service.commandLine(summary?.name ?? 'MODEL', recipes, [...targets].slice(0, 1)), 'Command')
    },
  }
}
