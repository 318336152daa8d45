import type { RecipeReport } from '../../../pipeline/report.ts'
import type { AxisChoice, Recipe } from '../../../quantization/recipe.ts'

/** A grid with more bits, and how many more a weight of one tensor takes with it. */
export interface WiderGrid {
  readonly grid: AxisChoice
  /** `6 bit`, or the recipe whose grid it is. */
  readonly label: string
  readonly extraBits: number
}

/** Most bits an affine weight may take. */
const mostBits = 8

/**
 * The next wider grid for a recipe: two bits more where the grid says its bits, else the grid of the next wider recipe of
 * the same kind in this run. `null` when neither exists.
 */
export function widerGrid(report: RecipeReport, others: readonly RecipeReport[]): WiderGrid | null {
  const bits = report.recipe.grid['bits']
  if (typeof bits === 'number') {
    const wider = Math.min(mostBits, bits + 2)
    return wider > bits ? { grid: { ...report.recipe.grid, bits: wider }, label: `${wider} bit`, extraBits: wider - bits } : null
  }
  const next = others
    .filter((other) => other.recipe.grid.kind === report.recipe.grid.kind && other.blockBitsPerWeight > report.blockBitsPerWeight + 0.25)
    .toSorted((one, other) => one.blockBitsPerWeight - other.blockBitsPerWeight)[0]
  return next === undefined
    ? null
    : { grid: next.recipe.grid, label: next.recipe.id, extraBits: next.blockBitsPerWeight - report.blockBitsPerWeight }
}

/** The same recipe with tensors that match kept on another grid; earlier overrides stay behind it (the first match wins). */
export function withOverrides(recipe: Recipe, matches: readonly string[], grid: AxisChoice): Recipe {
  const added = matches.map((match) => ({ match, grid }))
  const kept = recipe.overrides.filter((override) => !matches.includes(override.match))
  return { ...recipe, overrides: [...added, ...kept] }
}

/** A pattern that matches exactly the tensors of one block: `model.layers.7.*`. `null` for a block without linears. */
export function blockPattern(names: readonly string[]): string | null {
  const first = names[0]
  if (first === undefined) return null
  let shared = first
  for (const name of names) {
    let length = 0
    while (length < shared.length && shared[length] === name[length]) length += 1
    shared = shared.slice(0, length)
  }
  const numbered = /^(.*?\.\d+\.)/.exec(first)?.[1]
  const cut = shared.slice(0, shared.lastIndexOf('.') + 1)
  // With one linear the shared part is its whole name: a block ends at its number.
  const prefix = numbered !== undefined && cut.startsWith(numbered) ? numbered : cut
  return prefix === '' ? null : `${prefix}*`
}
