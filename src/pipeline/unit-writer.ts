import { layerFigures } from '../evaluation/layer-figures.ts'
import type { LayerResult } from '../evaluation/result.ts'
import type { ByteSink } from '../io/byte-sink.ts'
import type { WeightSums } from '../kernels/contract/kernels.ts'
import { addSums, noSums } from '../kernels/weight-sums.ts'
import type { QuantizedTensor } from '../quantization/quantized-tensor.ts'
import type { StoredPart } from './journal.ts'
import { describe } from './measure.ts'
import { StoredTensorWriter } from './stored-tensor.ts'
import type { Tile, Unit } from './tiles.ts'
import { resolvedOf, type WalkContext } from './walk-context.ts'

/** What one recipe made of a tile. */
export interface TileResult {
  /** Of the recipe in the run. */
  readonly index: number
  readonly quantized: QuantizedTensor
  readonly sums: WeightSums
  /** Milliseconds from the tile's weights to its codes and sums, while other tiles were in work. */
  readonly ms: number
}

interface OpenFile {
  readonly writer: StoredTensorWriter
  readonly sink: ByteSink
  /** By tensor, in order. */
  readonly sums: Map<string, WeightSums>
  ms: number
}

/** Stores the tiles of one unit, a file for each recipe, and adds their figures up. */
export class UnitWriter {
  readonly #context: WalkContext
  readonly #unit: Unit
  readonly #files = new Map<number, OpenFile>()

  constructor(context: WalkContext, unit: Unit) {
    this.#context = context
    this.#unit = unit
  }

  async append(tile: Tile, results: readonly TileResult[]): Promise<void> {
    for (const { index, quantized, sums, ms } of results) {
      const open = this.#files.get(index) ?? (await this.#open(index))
      const tensor = resolvedOf(this.#run(index), tile.name)
      await open.writer.append(quantized, tensor.rows, tile.rowStart)
      open.sums.set(tile.name, addSums(open.sums.get(tile.name) ?? noSums, sums))
      open.ms += ms
    }
  }

  /** Closes the files. `seconds` is how long the unit took; every recipe gets its share. */
  async finish(seconds: number): Promise<StoredPart[]> {
    const total = [...this.#files.values()].reduce((sum, { ms }) => sum + ms, 0)
    const parts: StoredPart[] = []
    for (const [index, run] of this.#context.recipes.entries()) {
      const open = this.#files.get(index)
      await open?.sink.close()
      const layers = [...(open?.sums ?? [])].map(
        ([name, sums]): LayerResult => ({ ...describe(resolvedOf(run, name)), ...layerFigures(sums, null) }),
      )
      const share = open === undefined || total === 0 ? 0 : open.ms / total
      parts.push({ recipeId: run.recipe.id, layers, tensors: open?.writer.tensors() ?? [], seconds: share * seconds })
    }
    return parts
  }

  /** Leaves nothing of an unfinished unit. */
  async abort(): Promise<void> {
    for (const { sink } of this.#files.values()) await sink.abort()
  }

  #run(index: number): WalkContext['recipes'][number] {
    const run = this.#context.recipes[index]
    if (run === undefined) throw new RangeError(`recipe ${index}`)
    return run
  }

  async #open(index: number): Promise<OpenFile> {
    const { store, folder } = this.#context
    const path = `${folder}/tensors/${index}-${this.#unit.name}.bin`
    // Its tiles have checksums of their own.
    const sink = await store.create(path)
    const open = { sink, writer: new StoredTensorWriter(sink, path), sums: new Map<string, WeightSums>(), ms: 0 }
    this.#files.set(index, open)
    return open
  }
}
