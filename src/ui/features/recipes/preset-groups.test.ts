import { describe, expect, it } from 'vitest'
import { presetSets, presets } from '../../../quantization/presets.ts'
import { allocations, grids, roundings, transforms } from '../../../quantization/registry.ts'
import type { Catalogue } from '../../../rpc/contract.ts'
import { groupIssues } from './group-issues.ts'
import { presetGroups } from './preset-groups.ts'

const catalogue: Catalogue = {
  presets,
  sets: presetSets,
  axes: { transform: transforms.members, grid: grids.members, rounding: roundings.members, allocation: allocations.members },
  targets: [],
}

describe('groups of presets', () => {
  it('have every preset once by grid, familiar kinds first', () => {
    const groups = presetGroups(catalogue, 'grid', '')
    const ids = groups.flatMap((group) => group.presets.map(({ recipe }) => recipe.id))
    expect(ids.toSorted()).toEqual(presets.map(({ recipe }) => recipe.id).toSorted())
    expect(groups.slice(0, 3).map(({ title }) => title)).toEqual(['llama.cpp mix', 'Affine integers', 'ggml blocks'])
    expect(groups[0]?.presets.map(({ recipe }) => recipe.id)).toContain('Q4_K_M')
  })

  it('have every recipe of a set by question, and only what a word is in', () => {
    const groups = presetGroups(catalogue, 'question', '')
    expect(groups.map(({ presets: members }) => members.length)).toEqual(presetSets.map(({ recipeIds }) => recipeIds.length))
    const found = presetGroups(catalogue, 'grid', ' NF4 ')
    expect(found.map(({ title }) => title)).toEqual(['Code books'])
    expect(presetGroups(catalogue, 'grid', 'no such thing')).toEqual([])
  })
})

describe('issues before a run', () => {
  it('are said once when true of several recipes, and apart when about the run', () => {
    const issue = { severity: 'warning', title: 'No file', text: 'long', remedy: 'Run it.' } as const
    const groups = groupIssues([
      { ...issue, recipeId: 'one' },
      { ...issue, recipeId: null },
      { ...issue, recipeId: 'two', text: 'other' },
    ])
    expect(groups.map(({ recipeIds }) => recipeIds)).toEqual([['one', 'two'], []])
  })
})
