import { layerFigures } from '../evaluation/layer-figures.ts'
import type { LayerResult } from '../evaluation/result.ts'
import type { ByteSink } from '../io/byte-sink.ts'
import type { WeightSums } from '../kernels/contract/kernels.ts'
import { addSums, noSums } from '../kernels/weight-sums.ts'
import type { QuantizedTensor } from '../quantization/quantized-tensor.ts'
import type { StoredPart } from './journal.ts'
import { describe } from './measure.ts'
import type { ModelFile } from './model-file.ts'
import { appending, StoredTensorWriter } from './stored-tensor.ts'
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

/** What a recipe has stored of the unit so far. */
interface Storing {
  /** In the model file, and in a file of the unit: whichever has tensors. */
  readonly writers: Map<'model' | 'unit', StoredTensorWriter>
  /** Of the unit's file, once there is one. */
  sink: ByteSink | null
  /** By tensor, in order. */
  readonly sums: Map<string, WeightSums>
  ms: number
}

/**
 * Stores the tiles of one unit and adds their figures up. A recipe's tensors go into its model file where that holds them, the others
 * into a file of the unit.
 */
export class UnitWriter {
  readonly #context: WalkContext
  readonly #unit: Unit
  readonly #models: readonly (ModelFile | null)[]
  readonly #storing = new Map<number, Storing>()

  /** `models`: by recipe; they stay open. */
  constructor(context: WalkContext, unit: Unit, models: readonly (ModelFile | null)[]) {
    this.#context = context
    this.#unit = unit
    this.#models = models
  }

  async append(tile: Tile, results: readonly TileResult[]): Promise<void> {
    for (const { index, quantized, sums, ms } of results) {
      const storing = this.#storing.get(index) ?? { writers: new Map(), sink: null, sums: new Map<string, WeightSums>(), ms: 0 }
      this.#storing.set(index, storing)
      const tensor = resolvedOf(this.#run(index), tile.name)
      const writer = await this.#writerOf(index, tile.name, storing)
      await writer.append(quantized, tensor.rows, tile.rowStart)
      storing.sums.set(tile.name, addSums(storing.sums.get(tile.name) ?? noSums, sums))
      storing.ms += ms
    }
  }

  /** Closes the files of the unit. `seconds` is how long the unit took; every recipe gets its share. */
  async finish(seconds: number): Promise<StoredPart[]> {
    const total = [...this.#storing.values()].reduce((sum, { ms }) => sum + ms, 0)
    const parts: StoredPart[] = []
    for (const [index, run] of this.#context.recipes.entries()) {
      const storing = this.#storing.get(index)
      await storing?.sink?.close()
      if (storing?.writers.has('model') === true) await this.#models[index]?.flush()
      const layers = [...(storing?.sums ?? [])].map(
        ([name, sums]): LayerResult => ({ ...describe(resolvedOf(run, name)), ...layerFigures(sums, null) }),
      )
      const share = storing === undefined || total === 0 ? 0 : storing.ms / total
      const tensors = [...(storing?.writers.values() ?? [])].flatMap((writer) => writer.tensors())
      parts.push({ recipeId: run.recipe.id, layers, tensors, seconds: share * seconds })
    }
    return parts
  }

  /** Leaves no file of an unfinished unit; what it has in model files is written again. */
  async abort(): Promise<void> {
    for (const { sink } of this.#storing.values()) await sink?.abort()
  }

  #run(index: number): WalkContext['recipes'][number] {
    const run = this.#context.recipes[index]
    if (run === undefined) throw new RangeError(`recipe ${index}`)
    return run
  }

  async #writerOf(index: number, name: string, storing: Storing): Promise<StoredTensorWriter> {
    const model = this.#models[index] ?? null
    const isInModel = model?.holds(name) === true
    const place = isInModel ? 'model' : 'unit'
    const open = storing.writers.get(place)
    if (open !== undefined) return open
    const writer = isInModel ? new StoredTensorWriter(model.put, model.path) : await this.#openUnitFile(index, storing)
    storing.writers.set(place, writer)
    return writer
  }

  async #openUnitFile(index: number, storing: Storing): Promise<StoredTensorWriter> {
    const { store, folder } = this.#context
    const path = `${folder}/tensors/${index}-${this.#unit.name}.bin`
    // Its tiles have checksums of their own.
    const sink = await store.create(path)
    storing.sink = sink
    return new StoredTensorWriter(appending(sink), path)
  }
}
