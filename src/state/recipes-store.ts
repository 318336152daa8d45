import { createStore } from 'zustand/vanilla'
import type { Recipe } from '../quantization/recipe.ts'

/** Number of colour slots. A ninth recipe runs and is listed, without a slot. */
export const SLOTS = 8

export type PinName = 'a' | 'b'

export interface RecipeEntry {
  /** Unique by `recipe.id`. */
  readonly recipe: Recipe
  /** 0 to 7: colour, marker and dash, until the recipe is removed. `null` for a ninth recipe. */
  readonly slot: number | null
}

/** The recipes on the shelf, in the order they were added, and how they are looked at. Keys are recipe ids. */
export interface RecipesState {
  readonly entries: readonly RecipeEntry[]
  /** Chosen by the person; `null` leaves the default of `effectivePins`. */
  readonly pins: Readonly<Record<PinName, string | null>>
  readonly hidden: ReadonlySet<string>
  /** Recipe under the pointer or the focus: charts fade the others to 18 %. */
  readonly hovered: string | null
  /** Open in the editor. */
  readonly current: string | null
  /** Recipe that "above …" figures compare with; `null` is float. */
  readonly baseline: string | null
  /** Last removal, for Undo. */
  readonly removed: { readonly entry: RecipeEntry; readonly index: number } | null
}

export const initialRecipesState: RecipesState = {
  entries: [],
  pins: { a: null, b: null },
  hidden: new Set(),
  hovered: null,
  current: null,
  baseline: null,
  removed: null,
}

export const recipesStore = createStore<RecipesState>(() => initialRecipesState)

function lowestFreeSlot(entries: readonly RecipeEntry[]): number | null {
  for (let slot = 0; slot < SLOTS; slot += 1) if (!entries.some((entry) => entry.slot === slot)) return slot
  return null
}

/** `id`, or `id-2`, `id-3` … when it is taken. */
export function freeId(id: string, taken: readonly string[]): string {
  const base = id.slice(0, 76)
  if (!taken.includes(base)) return base
  for (let count = 2; ; count += 1) {
    const candidate = `${base}-${count}`
    if (!taken.includes(candidate)) return candidate
  }
}

/** The id of an edited preset or of a recipe that has results: `Q4_0-edited`. Ids name folders, so no comma. */
export function editedId(id: string, taken: readonly string[]): string {
  return freeId(`${id.replace(/-edited(-\d+)?$/, '').slice(0, 66)}-edited`, taken)
}

const ids = (): string[] => recipesStore.getState().entries.map((entry) => entry.recipe.id)

/** Adds recipes that are not there yet (by id) and opens the first in the editor. Returns the ids now on the shelf. */
export function addRecipes(recipes: readonly Recipe[]): readonly string[] {
  const { entries, current } = recipesStore.getState()
  const next = [...entries]
  for (const recipe of recipes) {
    if (next.some((entry) => entry.recipe.id === recipe.id)) continue
    next.push({ recipe, slot: lowestFreeSlot(next) })
  }
  recipesStore.setState({ entries: next, current: current ?? next[0]?.recipe.id ?? null })
  return recipes.map((recipe) => recipe.id)
}

/** Replaces the whole shelf (a preset set, a link). */
export function setRecipes(recipes: readonly Recipe[]): void {
  recipesStore.setState({ ...initialRecipesState, hidden: new Set() })
  addRecipes(recipes)
}

/** Adds a copy under a free name and opens it. */
export function duplicateRecipe(id: string): string | null {
  const entry = recipesStore.getState().entries.find((candidate) => candidate.recipe.id === id)
  if (entry === undefined) return null
  const copy: Recipe = { ...entry.recipe, id: freeId(`${id}-copy`, ids()) }
  addRecipes([copy])
  selectRecipe(copy.id)
  return copy.id
}

/** Puts `recipe` in the place of the one called `id`; slot, pin, visibility and selection move with it. */
export function replaceRecipe(id: string, recipe: Recipe): void {
  recipesStore.setState((state) => {
    const rename = (name: string | null): string | null => (name === id ? recipe.id : name)
    return {
      entries: state.entries.map((entry) => (entry.recipe.id === id ? { ...entry, recipe } : entry)),
      pins: { a: rename(state.pins.a), b: rename(state.pins.b) },
      hidden: new Set([...state.hidden].map((name) => (name === id ? recipe.id : name))),
      hovered: rename(state.hovered),
      current: rename(state.current),
      baseline: rename(state.baseline),
    }
  })
}

export function removeRecipe(id: string): void {
  recipesStore.setState((state) => {
    const index = state.entries.findIndex((entry) => entry.recipe.id === id)
    const entry = state.entries[index]
    if (entry === undefined) return state
    const entries = fillSlots(state.entries.filter((candidate) => candidate !== entry))
    const drop = (name: string | null): string | null => (name === id ? null : name)
    return {
      entries,
      pins: { a: drop(state.pins.a), b: drop(state.pins.b) },
      hidden: new Set([...state.hidden].filter((name) => name !== id)),
      hovered: drop(state.hovered),
      current: state.current === id ? (entries[Math.min(index, entries.length - 1)]?.recipe.id ?? null) : state.current,
      baseline: drop(state.baseline),
      removed: { entry, index },
    }
  })
}

/** A slot set free goes to the first recipe that has none. */
function fillSlots(entries: readonly RecipeEntry[]): RecipeEntry[] {
  const next = [...entries]
  for (const [index, entry] of next.entries()) if (entry.slot === null) next[index] = { ...entry, slot: lowestFreeSlot(next) }
  return next
}

export function undoRemove(): void {
  recipesStore.setState((state) => {
    if (state.removed === null) return state
    const { entry, index } = state.removed
    if (state.entries.some((candidate) => candidate.recipe.id === entry.recipe.id)) return { removed: null }
    const isSlotFree = entry.slot !== null && !state.entries.some((candidate) => candidate.slot === entry.slot)
    const entries = [...state.entries]
    entries.splice(index, 0, { ...entry, slot: isSlotFree ? entry.slot : lowestFreeSlot(state.entries) })
    return { entries, current: entry.recipe.id, removed: null }
  })
}

export function selectRecipe(id: string): void {
  recipesStore.setState({ current: id })
}

export function hoverRecipe(id: string | null): void {
  if (recipesStore.getState().hovered !== id) recipesStore.setState({ hovered: id })
}

/** Pins a recipe; pinned twice under the same letter it is let go. A recipe holds one letter at most. */
export function pinRecipe(pin: PinName, id: string): void {
  recipesStore.setState(({ pins }) => {
    if (pins[pin] === id) return { pins: { ...pins, [pin]: null } }
    const other: PinName = pin === 'a' ? 'b' : 'a'
    const rest = pins[other] === id ? null : pins[other]
    return { pins: pin === 'a' ? { a: id, b: rest } : { a: rest, b: id } }
  })
}

/** Fixes the pins as they are shown, the other way round. */
export function swapPins(shown: Readonly<Record<PinName, string | null>>): void {
  recipesStore.setState({ pins: { a: shown.b, b: shown.a } })
}

export function toggleHidden(id: string): void {
  recipesStore.setState(({ hidden }) => {
    const next = new Set(hidden)
    if (!next.delete(id)) next.add(id)
    return { hidden: next }
  })
}

export function setBaseline(id: string | null): void {
  recipesStore.setState({ baseline: id })
}
