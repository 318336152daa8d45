import { throwIfAborted } from '../core/errors.ts'
import { layerFigures } from '../evaluation/layer-figures.ts'
import type { LayerResult } from '../evaluation/result.ts'
import type { LogitState, WeightSums } from '../kernels/contract/kernels.ts'
import type { LoadedHeadTile, ModelRunner } from '../runtime/engine.ts'
import { batchTokens } from './hidden-states.ts'
import type { StoredPart } from './journal.ts'
import { describe, GramSums } from './measure.ts'
import { createRunFile } from './run-files.ts'
import { type StoredTensor, StoredTensorWriter } from './stored-tensor.ts'
import { rowsOfTile } from './tiles.ts'
import { type GridTensor, isOnGrid, quantizeMatrix, resolvedOf, type WalkContext } from './walk-context.ts'
import { addSums } from './walk-embedding.ts'
import { dequantize, readRows, readVector, storedRange } from './weights.ts'

/** f32 bytes of a tile of head rows. */
export const headTileBytes = 32 * 2 ** 20
/** Widest tile of the vocabulary: with `headTokens` it bounds a tile of logits. */
export const headTileWidth = 8192
/** Positions whose logits exist at once. */
export const headTokens = 512

/** Vocabulary rows of a tile. */
export function headTileRows(vocab: number, hidden: number): number {
  return Math.max(1, Math.min(vocab, headTileWidth, Math.floor(headTileBytes / (4 * hidden))))
}

export interface HeadResult {
  /** Running sums of every recipe, over all scored positions in order, chunk by chunk. */
  readonly states: readonly (readonly LogitState[])[]
  readonly parts: readonly StoredPart[]
  /** Wall time of each recipe's share. */
  readonly seconds: readonly number[]
}

/** Scored positions that go through the head together. */
interface Chunk {
  /** Batch, and positions in it. */
  readonly batch: number
  readonly positions: Int32Array
  readonly targets: Int32Array<ArrayBuffer>
}

/**
 * Final norm and head, tile by tile over the vocabulary, for the float model and every recipe; no more than one tile of
 * weights and two of logits exist at once. A separate head that a recipe quantizes is quantized on the way.
 */
export async function walkHead(context: WalkContext, runner: ModelRunner, embeddings: readonly StoredPart[]): Promise<HeadResult> {
  const { checkpoint, progress, signal } = context
  const { graph } = checkpoint
  const { vocab, hidden, layers } = graph.config
  progress.at(layers, 'head', null)
  const finalNorm = await readVector(checkpoint, graph.finalNorm.name, signal)
  const chunks = chunksOf(context)
  const states = context.recipes.map(() => chunks.map((chunk) => freshState(chunk.positions.length)))
  const seconds = context.recipes.map(() => 0)
  const parts = graph.head === null ? context.recipes.map(() => null) : await quantizeHeads(context, runner, finalNorm)
  const headTensors = context.recipes.map((_, index) => (graph.head === null ? embeddings : parts)[index]?.tensors[0] ?? null)
  const headName = graph.head?.name ?? graph.embedding.name
  const step = headTileRows(vocab, hidden)
  for (let rowStart = 0; rowStart < vocab; rowStart += step) {
    const rowEnd = Math.min(rowStart + step, vocab)
    const rows = await readRows(checkpoint, headName, { rowStart, rowEnd, columns: hidden }, signal)
    const tile = await runner.loadHeadTile(finalNorm, rows)
    const own: (LoadedHeadTile | null)[] = []
    try {
      for (const stored of headTensors) {
        own.push(stored === null ? null : await runner.loadHeadTile(finalNorm, await storedRange(context, stored, rowStart, rowEnd)))
      }
      for (const [c, chunk] of chunks.entries()) {
        throwIfAborted(signal)
        const tokens = chunk.positions.length
        const work = tokens * hidden * (rowEnd - rowStart)
        const input = await context.float.readPositions(chunk.batch, chunk.positions, signal)
        const float = await progress.forwarded(tokens, work, () => tile.run(input, tokens))
        for (const [index, run] of context.recipes.entries()) {
          const startedAt = progress.seconds
          progress.at(layers, 'head', run.recipe.id)
          const hiddenRows = await run.states.readPositions(chunk.batch, chunk.positions, signal)
          const recipe = await progress.forwarded(tokens, work, () => (own[index] ?? tile).run(hiddenRows, tokens))
          const logits = { float, recipe, tokens, vocabStart: rowStart, width: rowEnd - rowStart, targets: chunk.targets }
          const row = states[index]
          const before = row?.[c]
          if (row !== undefined && before !== undefined) row[c] = await context.kernels.accumulateLogits(before, logits, signal)
          seconds[index] = (seconds[index] ?? 0) + progress.seconds - startedAt
        }
      }
    } finally {
      await tile.release()
      for (const one of own) await one?.release()
    }
  }
  return { states, parts: parts.filter((part) => part !== null), seconds }
}

function chunksOf(context: WalkContext): Chunk[] {
  return context.evaluation.flatMap((batch, index) => {
    const scored = [...batch.targets.keys()].filter((position) => batch.targets[position] !== -1)
    const chunks: Chunk[] = []
    for (let start = 0; start < scored.length; start += headTokens) {
      const positions = Int32Array.from(scored.slice(start, start + headTokens))
      chunks.push({ batch: index, positions, targets: positions.map((position) => batch.targets[position] ?? -1) })
    }
    return chunks
  })
}

/** Quantizes the separate head of the recipes that ask for it. */
async function quantizeHeads(
  context: WalkContext,
  runner: ModelRunner,
  finalNorm: Float32Array<ArrayBuffer>,
): Promise<readonly (StoredPart | null)[]> {
  const { graph } = context.checkpoint
  const name = graph.head?.name ?? ''
  if (!context.recipes.some((run) => isOnGrid(resolvedOf(run, name)))) return context.recipes.map(() => null)
  const gram = await normedGram(context, runner, finalNorm)
  const parts: (StoredPart | null)[] = []
  for (const [index, run] of context.recipes.entries()) {
    const startedAt = context.progress.seconds
    const tensor = resolvedOf(run, name)
    if (!isOnGrid(tensor)) {
      parts.push(null)
      continue
    }
    const made = await quantizeHead(context, tensor, { index, gram })
    parts.push({ recipeId: run.recipe.id, layers: [made.layer], tensors: [made.tensor], seconds: context.progress.seconds - startedAt })
  }
  return parts
}

async function quantizeHead(
  context: WalkContext,
  tensor: GridTensor,
  input: { readonly index: number; readonly gram: Float32Array },
): Promise<{ readonly tensor: StoredTensor; readonly layer: LayerResult }> {
  const { kernels, progress, signal } = context
  const run = context.recipes[input.index]
  if (run === undefined) throw new RangeError(`recipe ${input.index}`)
  const output = { error: 0, signal: 0 }
  let sums: WeightSums | null = null
  const path = `${context.folder}/tensors/${input.index}-head.bin`
  const file = await createRunFile(context.store, path)
  try {
    const writer = new StoredTensorWriter(file.sink, path)
    const step = rowsOfTile(tensor)
    for (let rowStart = 0; rowStart < tensor.rows; rowStart += step) {
      const rowEnd = Math.min(rowStart + step, tensor.rows)
      const data = await readRows(context.checkpoint, tensor.name, { rowStart, rowEnd, columns: tensor.columns }, signal)
      const weight = { data, rows: rowEnd - rowStart, columns: tensor.columns }
      const quantized = await progress.quantized(data.length, () =>
        quantizeMatrix(context, run.recipe, tensor, { weight, activations: null, importance: null }),
      )
      await writer.append(quantized, tensor.rows, rowStart)
      const approximation = await dequantize(kernels, quantized, signal)
      sums = addSums(sums, await kernels.compareWeights(data, approximation, signal))
      output.signal += await kernels.traceThroughGram(weight, input.gram, signal)
      const delta = data.map((value, i) => value - (approximation[i] ?? 0))
      output.error += await kernels.traceThroughGram({ ...weight, data: delta }, input.gram, signal)
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

/** G of the head's inputs: a head whose rows are the unit vectors gives the normed hidden states themselves. */
async function normedGram(context: WalkContext, runner: ModelRunner, finalNorm: Float32Array<ArrayBuffer>): Promise<Float32Array> {
  const width = finalNorm.length
  const unit = new Float32Array(width * width)
  for (let i = 0; i < width; i++) unit[i * width + i] = 1
  const identity = await runner.loadHeadTile(finalNorm, unit)
  const grams = new GramSums(context.kernels)
  try {
    for (const [index, shape] of context.float.shapes.entries()) {
      const rows = context.gramRows[index] ?? 0
      if (rows === 0) continue
      const { data } = await context.float.read(index, context.signal)
      const normed = await identity.run(data.slice(), batchTokens(shape))
      await grams.add({ head: normed }, { rows, of: batchTokens(shape) }, context.signal)
    }
  } finally {
    await identity.release()
  }
  return grams.get('head')
}

function freshState(tokens: number): LogitState {
  const zeros = (): Float64Array<ArrayBuffer> => new Float64Array(tokens)
  return {
    floatMax: zeros().fill(Number.NEGATIVE_INFINITY),
    floatSum: zeros(),
    recipeMax: zeros().fill(Number.NEGATIVE_INFINITY),
    recipeSum: zeros(),
    weighted: zeros(),
    floatArgMax: new Int32Array(tokens).fill(-1),
    recipeArgMax: new Int32Array(tokens).fill(-1),
    floatTarget: zeros(),
    recipeTarget: zeros(),
  }
}
