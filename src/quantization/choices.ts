import { StudioError } from '../core/errors.ts'
import type { Support } from '../core/support.ts'
import type { ModelGraph } from '../models/model-graph.ts'
import type { AxisMember } from './axis-member.ts'
import { validateRecipe } from './parse-recipe.ts'
import type { AxisChoice, Recipe } from './recipe.ts'
import { allocations, grids, roundings, transforms } from './registry.ts'

/** For each axis the members by `kind`: `true`, or why this recipe cannot take that member as things are. */
export type RecipeChoices = Readonly<Record<'transform' | 'grid' | 'rounding' | 'allocation', Readonly<Record<string, Support>>>>

type Member = Pick<AxisMember, 'kind' | 'fields'>

/**
 * What a recipe could take on each axis while the other three stay: a member with its default settings, the current one with
 * its own. `graph` is the open model's, `null` without one; transforms depend on it. Pure.
 */
export function choicesOf(recipe: Recipe, graph: ModelGraph | null): RecipeChoices {
  return {
    transform: supportOf(transforms.members, recipe.transform, (transform) => {
      const support = validity({ ...recipe, transform })
      if (support !== true || graph === null) return support
      const member = transforms.get(transform.kind)
      return member.supports(graph, member.parse(transform))
    }),
    grid: supportOf(grids.members, recipe.grid, (grid) => validity({ ...recipe, grid })),
    rounding: supportOf(roundings.members, recipe.rounding, (rounding) => validity({ ...recipe, rounding })),
    allocation: supportOf(allocations.members, recipe.allocation, (allocation) => validity({ ...recipe, allocation })),
  }
}

function supportOf(
  members: readonly Member[],
  current: AxisChoice,
  support: (choice: AxisChoice) => Support,
): Readonly<Record<string, Support>> {
  return Object.fromEntries(members.map((member) => [member.kind, support(member.kind === current.kind ? current : defaults(member))]))
}

function defaults({ kind, fields }: Member): AxisChoice {
  return { kind, ...Object.fromEntries(fields.map((field) => [field.key, field.default])) }
}

function validity(recipe: Recipe): Support {
  try {
    validateRecipe(recipe)
    return true
  } catch (error) {
    if (error instanceof StudioError && error.code === 'recipe-invalid') return error.message
    throw error
  }
}
