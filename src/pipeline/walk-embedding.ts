import type { LayerResult } from '../evaluation/result.ts'
import { checkpointRows, EmbeddingLookup, type RowReader, storedRows } from './embedding.ts'
import type { HiddenStates } from './hidden-states.ts'
import type { StoredPart } from './journal.ts'
import type { StoredTensor } from './stored-tensor.ts'
import { writeTensorFile } from './tensor-file.ts'
import { type FinishedBlock, isOnGrid, type RecipeRun, resolvedOf, type WalkContext } from './walk-context.ts'
import { type MeasuredTile, type OutputSums, storeEndMatrix } from './walk-end-matrix.ts'

/**
 * Hidden states before the first block, of the float model and every recipe; recipes that quantize or change the embedding do it here.
 * Returns what each recipe stored and a commit as of a block.
 */
export async function walkEmbedding(context: WalkContext): Promise<FinishedBlock> {
  const { checkpoint, progress } = context
  progress.at(0, 'reading', null)
  const commits = [await embed(context, context.float, checkpointRows(checkpoint))]
  const parts: StoredPart[] = []
  for (const [index, run] of context.recipes.entries()) {
    const startedAt = progress.seconds
    const isStored = run.ends !== null || isOnGrid(resolvedOf(run, checkpoint.graph.embedding.name))
    const { tensors, layers } = isStored ? await storeEmbedding(context, run, index) : { tensors: [], layers: [] }
    const [stored] = tensors
    const rows = stored === undefined ? checkpointRows(checkpoint) : storedRows(context.store, stored, context.kernels)
    commits.push(await embed(context, run.states, rows))
    parts.push({ recipeId: run.recipe.id, layers, tensors, seconds: progress.seconds - startedAt })
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
async function storeEmbedding(
  context: WalkContext,
  run: RecipeRun,
  index: number,
): Promise<{ readonly tensors: StoredTensor[]; readonly layers: LayerResult[] }> {
  const { vocab } = context.checkpoint.graph.config
  const { name } = context.checkpoint.graph.embedding
  const counts = new Float64Array(vocab)
  for (const batch of [...context.evaluation, ...context.calibration]) for (const id of batch.ids) counts[id] = (counts[id] ?? 0) + 1
  const measure = async (output: OutputSums, tile: MeasuredTile): Promise<void> => addLookupError(output, counts, tile)
  const change = run.ends?.embedding ?? null
  context.progress.at(0, 'quantizing', run.recipe.id)
  const { tensors, made: layer } = await writeTensorFile(context.store, `${context.folder}/tensors/${index}-embedding.bin`, (writer) =>
    storeEndMatrix(context, run, { name, source: name, change, writer, measure }),
  )
  return { tensors, layers: layer === null ? [] : [layer] }
}

function addLookupError(output: OutputSums, counts: Float64Array, { weight, approximation, rowStart }: MeasuredTile): void {
  const { data, rows, columns } = weight
  for (let row = 0; row < rows; row++) {
    const count = counts[rowStart + row] ?? 0
    if (count === 0) continue
    for (let i = row * columns; i < (row + 1) * columns; i++) {
      const value = data[i] ?? 0
      output.error += count * (value - (approximation[i] ?? 0)) ** 2
      output.signal += count * value ** 2
    }
  }
}
