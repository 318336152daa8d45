import type { Catalogue } from '../../../rpc/contract.ts'

export type ListedPreset = Catalogue['presets'][number]

export interface PresetGroup {
  readonly key: string
  readonly title: string
  readonly text: string
  readonly presets: readonly ListedPreset[]
  /** For a set: all of it can be added at once. */
  readonly setId: string | null
}

export type Grouping = 'grid' | 'question'

/**
 * The presets that match a word, by kind of grid or by the question a set answers. A mix of grids goes by its rule of
 * allocation, since the first rule of the catalogue is the one that gives every tensor the same grid. Empty groups are left out.
 */
export function presetGroups({ presets, sets, axes }: Catalogue, grouping: Grouping, word: string): readonly PresetGroup[] {
  const wanted = word.trim().toLowerCase()
  const found = presets.filter(({ recipe, title, explanation }) => `${recipe.id} ${title} ${explanation}`.toLowerCase().includes(wanted))
  const groups: readonly PresetGroup[] =
    grouping === 'question'
      ? sets.map(({ id, title, text, recipeIds }) => ({
          key: id,
          title,
          text,
          setId: id,
          presets: recipeIds.flatMap((recipeId) => found.filter(({ recipe }) => recipe.id === recipeId)),
        }))
      : [
          ...axes.allocation.slice(1).map((member) => ({
            key: `allocation-${member.kind}`,
            title: member.title,
            text: member.explanation,
            setId: null,
            presets: found.filter(({ recipe }) => recipe.allocation.kind === member.kind),
          })),
          ...axes.grid.map((member) => ({
            key: `grid-${member.kind}`,
            title: member.title,
            text: member.explanation,
            setId: null,
            presets: found.filter(({ recipe }) => recipe.grid.kind === member.kind && recipe.allocation.kind === axes.allocation[0]?.kind),
          })),
        ]
  return groups.filter((group) => group.presets.length > 0)
}
