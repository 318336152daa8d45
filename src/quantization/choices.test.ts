import { expect, it } from 'vitest'
import { choicesOf } from './choices.ts'
import { parseRecipe } from './parse-recipe.ts'
import { allocations, grids, roundings, transforms } from './registry.ts'

it('answers for every member of every axis', () => {
  const choices = choicesOf(parseRecipe('nearest-4bit-g32'), null)
  const kinds = (members: readonly { readonly kind: string }[]) => members.map(({ kind }) => kind)
  expect(Object.keys(choices.transform)).toEqual(kinds(transforms.members))
  expect(Object.keys(choices.grid)).toEqual(kinds(grids.members))
  expect(Object.keys(choices.rounding)).toEqual(kinds(roundings.members))
  expect(Object.keys(choices.allocation)).toEqual(kinds(allocations.members))
})

it('allows what the recipe has', () => {
  for (const id of ['nearest-4bit-g32', 'Q4_K+imatrix', 'Q4_K_M+imatrix']) {
    const recipe = parseRecipe(id)
    const choices = choicesOf(recipe, null)
    expect(choices.grid[recipe.grid.kind]).toBe(true)
    expect(choices.rounding[recipe.rounding.kind]).toBe(true)
    expect(choices.allocation[recipe.allocation.kind]).toBe(true)
  }
})

it('refuses with the sentence of the member that cannot go along', () => {
  // Eight bits have no scale to search for, so importance would change nothing.
  const { rounding } = choicesOf(parseRecipe('Q8_0'), null)
  expect(rounding['nearest']).toBe(true)
  expect(rounding['weighted']).toContain('Q8_0')
})
