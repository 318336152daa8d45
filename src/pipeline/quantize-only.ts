import { bytesPerElement } from '../core/dtype.ts'
import { StudioError, throwIfAborted } from '../core/errors.ts'
import type { Matrix, StoredMatrix } from '../kernels/contract/kernels.ts'
import type { MeasuredTensor } from '../quantization/grid.ts'
import { roundings } from '../quantization/registry.ts'
import { inOrder } from './in-order.ts'
import type { StoredBlock, StoredPart } from './journal.ts'
import { type ModelFile, openModelFile } from './model-file.ts'
import { TileBuffers } from './tile-buffers.ts'
import { type Tile, tilesOf, type Unit, unitsOf } from './tiles.ts'
import { type TileResult, UnitWriter } from './unit-writer.ts'
import { type GridTensor, isOnGrid, quantizeMatrix, type RecipeRun, resolvedOf, type WalkContext } from './walk-context.ts'
import { assertFinite, dequantize } from './weights.ts'

/** Tiles in work at once: while some are read and one is stored the threads have others, also where tensors are small. */
export const tilesAhead = 12
/** Reading several at once costs a browser less than one after the other (`BlobStreams`). */
const tilesTogether = 8

/**
 * The walk of a run that measures nothing on a text: every matrix is read once, tile by tile, quantized by every recipe,
 * compared with its own weights and stored. Nothing goes through the model, so no block is ever whole in memory.
 * `onUnit` is told the parts of a unit once it is stored, one unit after the other. A run that is resumed starts behind the units
 * that are `stored`. `offsets`: where an export of a recipe has matrices as they are stored, by recipe; they are stored there at once.
 */
export async function quantizeOnly(
  context: WalkContext,
  { stored, offsets }: { readonly stored: readonly StoredBlock[]; readonly offsets: readonly ReadonlyMap<string, number>[] },
  onUnit: (unit: Unit, parts: readonly StoredPart[]) => Promise<void>,
): Promise<void> {
  const { checkpoint, folder, progress, recipes, store } = context
  const open = new Map<Unit, UnitWriter>()
  const buffers = new TileBuffers()
  let startedAt = progress.seconds
  /** Files and journal of the unit before, closed and written while tiles of the next one are in work. */
  let closing: Promise<void> = Promise.resolve()
  const items = tilesOf(checkpoint.graph, unitsOf(checkpoint.graph).slice(stored.length), recipes)
  const models: (ModelFile | null)[] = []
  try {
    for (const [index, { recipe }] of recipes.entries()) {
      const own = stored.flatMap(({ parts }) => parts.filter(({ recipeId }) => recipeId === recipe.id).flatMap(({ tensors }) => tensors))
      const path = `${folder}/tensors/${index}-model.bin`
      models.push(await openModelFile({ store, path, offsets: offsets[index] ?? new Map() }, own))
    }
    await inOrder(items, tilesAhead, {
      together: tilesTogether,
      make: async (item) => (item.kind === 'end' ? { results: [], rooms: [] } : quantizeTile(context, item, buffers)),
      async take({ results, rooms }, item) {
        const writer = open.get(item.unit) ?? new UnitWriter(context, item.unit, models)
        open.set(item.unit, writer)
        if (item.kind === 'tile') {
          await writer.append(item, results)
          for (const room of rooms) buffers.give(room)
          return
        }
        await closing
        throwIfAborted(context.signal)
        open.delete(item.unit)
        const seconds = progress.seconds - startedAt
        startedAt = progress.seconds
        closing = finish(writer, seconds, (parts) => onUnit(item.unit, parts))
        // It is awaited before the next one; until then a rejection is not unhandled.
        closing.catch(() => undefined)
      },
    })
    await closing
  } catch (error) {
    await closing.catch(() => undefined)
    for (const writer of open.values()) await writer.abort()
    throw error
  } finally {
    for (const model of models) await model?.close()
  }
}

/** Closes the files of a unit and tells its parts. */
async function finish(writer: UnitWriter, seconds: number, tell: (parts: readonly StoredPart[]) => Promise<void>): Promise<void> {
  try {
    await tell(await writer.finish(seconds))
  } catch (error) {
    await writer.abort()
    throw error
  }
}

interface QuantizedTile {
  readonly results: readonly TileResult[]
  /** Memory that the results lie in. After a fault it is not given back: threads may still write there. */
  readonly rooms: readonly Uint8Array[]
}

async function quantizeTile(walk: WalkContext, tile: Tile, buffers: TileBuffers): Promise<QuantizedTile> {
  const rooms: Uint8Array[] = []
  const take = (bytes: number): Uint8Array => {
    const room = buffers.take(bytes)
    rooms.push(room)
    return room
  }
  const context = { ...walk, kernels: walk.kernels.into({ take }) }
  const { progress, recipes, checkpoint } = context
  const { block, name } = tile.unit
  const position = block?.index ?? (name === 'head' ? checkpoint.graph.blocks.length : 0)
  progress.at(position, 'reading', null)
  // Read by the first recipe that can take it as it is.
  let stored = null as StoredMatrix | null
  const results: TileResult[] = []
  for (const [index, run] of recipes.entries()) {
    const tensor = resolvedOf(run, tile.name)
    if (!isOnGrid(tensor)) continue
    const startedAt = progress.seconds
    progress.at(position, 'quantizing', run.recipe.id)
    const made = await namingFaults(context, tile, async () => {
      stored ??= await storedRows(context, tile, buffers)
      const measured = quantizeStored(context, run, tensor, stored)
      return measured === null ? quantizeWidened(context, run, tensor, await floatRows(context, tile)) : await measured
    })
    progress.weighed((tile.rowEnd - tile.rowStart) * tile.columns)
    results.push({ index, quantized: made.tensor, sums: made.sums, ms: 1000 * (progress.seconds - startedAt) })
  }
  if (stored !== null) buffers.give(stored.bytes)
  return { results, rooms }
}

/** Rows as the checkpoint holds them. Transforms have no place here: all of them learn from inputs, which need forward passes. */
async function storedRows(context: WalkContext, tile: Tile, buffers: TileBuffers): Promise<StoredMatrix> {
  const { checkpoint, signal } = context
  const { name, columns, rowStart, rowEnd } = tile
  const dtype = checkpoint.tensors.get(name)?.dtype ?? 'F32'
  const rows = rowEnd - rowStart
  const bytes = buffers.take(rows * columns * bytesPerElement[dtype])
  await checkpoint.readRawInto(bytes, name, { rowStart, rowEnd }, signal)
  return { bytes, dtype, rows, columns }
}

/** The same in f32. Not checked: the quantizers refuse what is not finite. */
async function floatRows({ checkpoint, signal }: WalkContext, { name, columns, rowStart, rowEnd }: Tile): Promise<Matrix> {
  return { data: await checkpoint.readFloat(name, { rowStart, rowEnd }, signal), rows: rowEnd - rowStart, columns }
}

/** Straight from the checkpoint's values; `null` where rounding or grid have no such way. */
function quantizeStored(
  { kernels, signal }: WalkContext,
  { recipe }: RecipeRun,
  tensor: GridTensor,
  stored: StoredMatrix,
): Promise<MeasuredTensor> | null {
  const rounding = roundings.get(recipe.rounding.kind)
  const { member: grid, settings: gridSettings } = tensor.grid
  return (
    rounding.quantizeStored?.(tensor.name, stored, { settings: rounding.parse(recipe.rounding), grid, gridSettings, kernels, signal }) ??
    null
  )
}

async function quantizeWidened(
  context: WalkContext,
  { recipe, learning }: RecipeRun,
  tensor: GridTensor,
  weight: Matrix,
): Promise<MeasuredTensor> {
  const { kernels, signal } = context
  // From a file; importance that is measured needs forward passes, and those a walk of another kind.
  const importance = learning.from === 'float' && tensor.block >= 0 ? (context.importance?.get(tensor.name) ?? null) : null
  const quantized = await quantizeMatrix(context, recipe, tensor, { weight, activations: null, importance })
  const sums =
    quantized.encoding === 'ggml'
      ? await kernels.compareGgml(weight, quantized.blocks, quantized.type, signal)
      : await kernels.compareWeights(weight.data, await dequantize(kernels, quantized, signal), signal)
  return { tensor: quantized, sums }
}

/** Kernels know rows of a tile; the fault of a weight that is not finite names the tensor and the row in it. */
async function namingFaults<T>({ checkpoint, signal }: WalkContext, tile: Tile, quantize: () => Promise<T>): Promise<T> {
  try {
    return await quantize()
  } catch (error) {
    if (error instanceof StudioError && error.code === 'weights-not-finite') {
      const { name, rowStart, rowEnd, columns } = tile
      assertFinite(name, await checkpoint.readFloat(name, { rowStart, rowEnd }, signal), { firstRow: rowStart, columns })
    }
    throw error
  }
}
