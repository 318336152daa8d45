import type { BlockSpec, ModelGraph } from '../models/model-graph.ts'
import { encodings } from '../quantization/registry.ts'
import { matricesOf, type ResolvedTensor } from '../quantization/resolve.ts'
import { isOnGrid, type RecipeRun } from './walk-context.ts'

/** f32 bytes of a tile of rows. */
const tileBytes = 16 * 2 ** 20

/** Rows of a tall matrix that are quantized together: a scale over the whole matrix needs the whole matrix. */
export function rowsOfTile(tensor: ResolvedTensor): number {
  const { encoding, rows, columns } = tensor
  const step = encoding.encoding === 'source' ? 1 : encodings.get(encoding.encoding).rowStep(tensor, encoding)
  return Math.min(rows, step * Math.max(1, Math.floor(tileBytes / (4 * columns * step))))
}

/** f32 bytes of the largest tile that any of the recipes takes. */
export function largestTileBytes(resolved: readonly ReadonlyMap<string, ResolvedTensor>[]): number {
  const tensors = resolved.flatMap((recipe) => [...recipe.values()].filter(isOnGrid))
  return tensors.reduce((largest, tensor) => Math.max(largest, 4 * rowsOfTile(tensor) * tensor.columns), 0)
}

/** What is stored and noted down together: the embedding, a block, or a separate head. */
export interface Unit {
  /** Part of its files' names. */
  readonly name: string
  /** `null` for embedding and head. */
  readonly block: BlockSpec | null
  /** Names of its matrices. */
  readonly matrices: readonly string[]
}

/** Rows of one matrix that are read and quantized together. */
export interface Tile {
  readonly kind: 'tile'
  readonly unit: Unit
  readonly name: string
  readonly columns: number
  readonly rowStart: number
  /** Exclusive. */
  readonly rowEnd: number
}

/** Units in the order of the journal: embedding, blocks, head. */
export function unitsOf({ embedding, blocks, head }: ModelGraph): Unit[] {
  return [
    { name: 'embedding', block: null, matrices: [embedding.name] },
    ...blocks.map((block) => ({ name: String(block.index), block, matrices: block.linears.map(({ weight }) => weight) })),
    ...(head === null ? [] : [{ name: 'head', block: null, matrices: [head.name] }]),
  ]
}

/** The tiles of every unit that some recipe puts on a grid, each unit followed by its end. */
export function* tilesOf(
  graph: ModelGraph,
  units: readonly Unit[],
  recipes: readonly RecipeRun[],
): Generator<Tile | { readonly kind: 'end'; readonly unit: Unit }> {
  const shapes = new Map(matricesOf(graph).map(({ name, rows, columns }) => [name, { rows, columns }]))
  for (const unit of units) {
    for (const name of unit.matrices) {
      const { rows, columns } = shapes.get(name) ?? { rows: 0, columns: 0 }
      const tensors = recipes.flatMap(({ resolved }) => [resolved.get(name)].filter((tensor) => tensor !== undefined)).filter(isOnGrid)
      if (tensors.length === 0) continue
      const step = Math.max(...tensors.map(rowsOfTile))
      for (let rowStart = 0; rowStart < rows; rowStart += step) {
        yield { kind: 'tile', unit, name, columns, rowStart, rowEnd: Math.min(rowStart + step, rows) }
      }
    }
    yield { kind: 'end', unit }
  }
}

/** Weights that the recipes put on grids from unit `from` on. */
export function weightsLeft(graph: ModelGraph, recipes: readonly RecipeRun[], from: number): number {
  const names = new Set(
    unitsOf(graph)
      .slice(from)
      .flatMap(({ matrices }) => matrices),
  )
  const tensors = recipes.flatMap(({ resolved }) => [...resolved.values()].filter((tensor) => names.has(tensor.name) && isOnGrid(tensor)))
  return tensors.reduce((sum, { rows, columns }) => sum + rows * columns, 0)
}
