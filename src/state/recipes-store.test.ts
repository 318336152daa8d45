import { beforeEach, describe, expect, it } from 'vitest'
import type { Recipe } from '../quantization/recipe.ts'
import * as store from './recipes-store.ts'

const recipe = (id: string): Recipe => ({
  id,
  transform: { kind: 'none' },
  grid: { kind: 'affine', bits: 4 },
  rounding: { kind: 'nearest' },
  allocation: { kind: 'uniform' },
  embedding: 'float',
  head: 'float',
  overrides: [],
})
const add = (...ids: readonly string[]): void => void store.addRecipes(ids.map(recipe))
const slots = (): Record<string, number | null> =>
  Object.fromEntries(store.recipesStore.getState().entries.map((entry) => [entry.recipe.id, entry.slot]))

beforeEach(() => store.recipesStore.setState({ ...store.initialRecipesState, hidden: new Set() }, true))

describe('the shelf', () => {
  it('gives a recipe the lowest free slot and keeps it until the recipe is removed', () => {
    add('a', 'b', 'c')
    store.removeRecipe('b')
    add('d')
    expect(slots()).toEqual({ a: 0, c: 2, d: 1 })
  })

  it('takes a ninth recipe without a slot and gives it the first that becomes free', () => {
    add(...'a b c d e f g h i'.split(' '))
    expect(slots()['i']).toBeNull()
    store.removeRecipe('c')
    expect(slots()['i']).toBe(2)
  })

  it('does not add a recipe twice', () => {
    add('a')
    add('a', 'b')
    expect(slots()).toEqual({ a: 0, b: 1 })
  })

  it('undoes a removal at its place, with its slot', () => {
    add('a', 'b', 'c')
    store.removeRecipe('b')
    store.undoRemove()
    expect(slots()).toEqual({ a: 0, b: 1, c: 2 })
    expect(store.recipesStore.getState().entries.map((entry) => entry.recipe.id)).toEqual(['a', 'b', 'c'])
  })

  it('moves slot, pins, visibility and baseline along when a recipe is edited under another name', () => {
    add('a', 'b')
    store.pinRecipe('a', 'b')
    store.toggleHidden('b')
    store.setBaseline('b')
    store.replaceRecipe('b', recipe('b-edited'))
    const { pins, hidden, baseline } = store.recipesStore.getState()
    expect(slots()).toEqual({ a: 0, 'b-edited': 1 })
    expect({ pins, hidden: [...hidden], baseline }).toEqual({
      pins: { a: 'b-edited', b: null },
      hidden: ['b-edited'],
      baseline: 'b-edited',
    })
  })

  it('lets a recipe hold one letter at most, and lets go of a pin pressed twice', () => {
    add('a', 'b')
    store.pinRecipe('a', 'a')
    store.pinRecipe('b', 'a')
    expect(store.recipesStore.getState().pins).toEqual({ a: null, b: 'a' })
    store.pinRecipe('b', 'a')
    expect(store.recipesStore.getState().pins).toEqual({ a: null, b: null })
  })

  it('names edited copies within the rule for ids', () => {
    expect(store.editedId('Q4_0', ['Q4_0'])).toBe('Q4_0-edited')
    expect(store.editedId('Q4_0-edited', ['Q4_0-edited'])).toBe('Q4_0-edited-2')
    expect(store.editedId('Q4_0-edited-2', ['Q4_0-edited', 'Q4_0-edited-2'])).toBe('Q4_0-edited-3')
    expect(store.editedId('x'.repeat(80), []).length).toBeLessThanOrEqual(80)
    expect(store.freeId('x'.repeat(80), ['x'.repeat(76)])).toMatch(/^x{76}-2$/)
  })
})
