import type { LayerResult } from '../../evaluation/result.ts'
import type { ChartRecipe } from './chart-types.ts'

/** One line of the layer charts: a value for every block, `null` where nothing is measured yet. */
export interface LayerSeries extends ChartRecipe {
  readonly values: readonly (number | null)[]
}

/** Measured blocks by recipe id, then by block index; the shape of the run store's `cells`. */
export type LayerCells = Readonly<Record<string, Readonly<Record<number, { readonly layers: readonly LayerResult[] }>>>>

/** Every role that occurs, in the order of the first block that has them. */
export function rolesOf(cells: LayerCells): readonly string[] {
  const roles: string[] = []
  for (const blocks of Object.values(cells)) {
    for (const [block, cell] of Object.entries(blocks)) {
      if (Number(block) < 0) continue
      for (const layer of cell.layers) if (!roles.includes(layer.role)) roles.push(layer.role)
    }
  }
  return roles
}

/**
 * Relative output error of a block: of one linear when `role` names it, else the mean over the block's linears. `null`
 * when the block has none, or none is known.
 */
export function blockError(layers: readonly LayerResult[], role: string): number | null {
  const chosen = role === 'all' ? layers : layers.filter((layer) => layer.role === role)
  const errors = chosen.flatMap(({ outputError }) => (outputError === null ? [] : [outputError]))
  return errors.length === 0 ? null : errors.reduce((sum, error) => sum + error, 0) / errors.length
}

export function layerSeries(
  recipes: readonly ChartRecipe[],
  cells: LayerCells,
  { blocks, role }: { blocks: number; role: string },
): readonly LayerSeries[] {
  return recipes.map((recipe) => {
    const own = cells[recipe.id] ?? {}
    const values = Array.from({ length: blocks }, (_, block) => {
      const cell = own[block]
      return cell === undefined ? null : blockError(cell.layers, role)
    })
    return { id: recipe.id, slot: recipe.slot, pin: recipe.pin, values }
  })
}
