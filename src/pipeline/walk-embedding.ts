import { layerFigures } from '../evaluation/layer-figures.ts'
import type { LayerResult } from '../evaluation/result.ts'
import type { WeightSums } from '../kernels/contract/kernels.ts'
import { checkpointRows, EmbeddingLookup, type RowReader, storedRows } from './embedding.ts'
import type { HiddenStates } from './hidden-states.ts'
import type { StoredPart } from './journal.ts'
import { describe } from './measure.ts'
import { createRunFile } from './run-files.ts'
import { type StoredTensor, StoredTensorWriter } from './stored-tensor.ts'
import { rowsOfTile } from './tiles.ts'
import {
  type FinishedBlock,
  type GridTensor,
  isOnGrid,
  quantizeMatrix,
  type RecipeRun,
  resolvedOf,
  type WalkContext,
} from './walk-context.ts'
import { dequantize, readRows } from './weights.ts'

/**
 * Hidden states before the first block, of the float model and every recipe; recipes that quantize the embedding do it here.
 * Returns what each recipe stored and a commit as of a block.
 */
export async function walkEmbedding(context: WalkContext): Promise<FinishedBlock> {
  const { checkpoint, progress } = context
  progress.at(0, 'reading', null)
  const commits = [await embed(context, context.float, checkpointRows(checkpoint))]
  const parts: StoredPart[] = []
  for (const [index, run] of context.recipes.entries()) {
    const startedAt = progress.seconds
    const tensor = resolvedOf(run, checkpoint.graph.embedding.name)
    const stored = isOnGrid(tensor) ? await quantizeEmbedding(context, run, tensor, index) : null
    const rows = stored === null ? checkpointRows(checkpoint) : storedRows(context.store, stored.tensor, context.kernels)
    commits.push(await embed(context, run.states, rows))
    parts.push({
      recipeId: run.recipe.id,
      layers: stored === null ? [] : [stored.layer],
      tensors: stored === null ? [] : [stored.tensor],
      seconds: progress.seconds - startedAt,
    })
  }
  return { parts, squares: null, commit: () => commits.forEach((one) => one.commit()) }
}

async function embed(context: WalkContext, states: HiddenStates, rows: RowReader): ReturnType<HiddenStates['advance']> {
  const batches = [...context.evaluation, ...context.calibration].slice(0, states.shapes.length)
  const lookup = new EmbeddingLookup(
    batches.map((batch) => batch.ids),
    states.width,
    rows,
  )
  return states.advance(0, (index) => lookup.embed(index, context.signal), context.signal)
}

/**
 * Output error of an embedding: the lookup is a product with one-hot rows, so G is diagonal and holds how often each token
 * occurs in the float run.
 */
async function quantizeEmbedding(
  context: WalkContext,
  run: RecipeRun,
  tensor: GridTensor,
  index: number,
): Promise<{ readonly tensor: StoredTensor; readonly layer: LayerResult }> {
  const { kernels, progress, signal } = context
  const counts = new Float64Array(tensor.rows)
  for (const batch of [...context.evaluation, ...context.calibration]) for (const id of batch.ids) counts[id] = (counts[id] ?? 0) + 1
  const output = { error: 0, signal: 0 }
  let sums: WeightSums | null = null
  const path = `${context.folder}/tensors/${index}-embedding.bin`
  const file = await createRunFile(context.store, path)
  try {
    const writer = new StoredTensorWriter(file.sink, path)
    const step = rowsOfTile(tensor)
    for (let rowStart = 0; rowStart < tensor.rows; rowStart += step) {
      const rowEnd = Math.min(rowStart + step, tensor.rows)
      const data = await readRows(context.checkpoint, tensor.name, { rowStart, rowEnd, columns: tensor.columns }, signal)
      const weight = { data, rows: rowEnd - rowStart, columns: tensor.columns }
      progress.at(0, 'quantizing', run.recipe.id)
      const quantized = await progress.quantized(data.length, () =>
        quantizeMatrix(context, run.recipe, tensor, { weight, activations: null, importance: null }),
      )
      await writer.append(quantized, tensor.rows, rowStart)
      const approximation = await dequantize(kernels, quantized, signal)
      sums = addSums(sums, await kernels.compareWeights(data, approximation, signal))
      addLookupError(output, { data, approximation, counts: counts.subarray(rowStart, rowEnd), columns: tensor.columns })
    }
    await file.finish()
    const [stored] = writer.tensors()
    if (stored === undefined || sums === null) throw new RangeError(`${tensor.name} has no rows`)
    return { tensor: stored, layer: { ...describe(tensor), ...layerFigures(sums, output) } }
  } catch (error) {
    await file.sink.abort()
    throw error
  }
}

/** Sums over two pieces of one matrix. */
export function addSums(a: WeightSums | null, b: WeightSums): WeightSums {
  if (a === null) return b
  return {
    count: a.count + b.count,
    squaredError: a.squaredError + b.squaredError,
    squaredWeight: a.squaredWeight + b.squaredWeight,
    squaredApproximation: a.squaredApproximation + b.squaredApproximation,
    product: a.product + b.product,
    largestError: Math.max(a.largestError, b.largestError),
  }
}

function addLookupError(
  output: { error: number; signal: number },
  tile: { readonly data: Float32Array; readonly approximation: Float32Array; readonly counts: Float64Array; readonly columns: number },
): void {
  const { data, approximation, counts, columns } = tile
  for (let row = 0; row < counts.length; row++) {
    const count = counts[row] ?? 0
    if (count === 0) continue
    for (let i = row * columns; i < (row + 1) * columns; i++) {
      const value = data[i] ?? 0
      output.error += count * (value - (approximation[i] ?? 0)) ** 2
      output.signal += count * value ** 2
    }
  }
}
