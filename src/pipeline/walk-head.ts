import { throwIfAborted } from '../core/errors.ts'
import type { LayerResult } from '../evaluation/result.ts'
import type { LogitState } from '../kernels/contract/kernels.ts'
import type { ModelGraph, TensorSpec } from '../models/model-graph.ts'
import type { QuantizedTensor } from '../quantization/quantized-tensor.ts'
import type { LoadedHeadTile, ModelRunner } from '../runtime/engine.ts'
import { runtimeRounding } from './activation-modes.ts'
import { batchTokens } from './hidden-states.ts'
import type { StoredPart } from './journal.ts'
import { GramSums } from './measure.ts'
import type { StoredTensor } from './stored-tensor.ts'
import { writeTensorFile } from './tensor-file.ts'
import type { RecipeRun, WalkContext } from './walk-context.ts'
import { type MeasuredTile, type OutputSums, storeEndMatrix } from './walk-end-matrix.ts'
import { readRows, readVector, storedRange } from './weights.ts'

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
 * weights and two of logits exist at once. A separate head that a recipe quantizes or changes is stored on the way.
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
  const parts = await storeHeads(context, runner, finalNorm)
  const headTensors = context.recipes.map((run, index) => {
    const part = run.graph.head === null ? embeddings[index] : parts[index]
    return part?.tensors.find(({ name }) => name === headNameOf(run.graph)) ?? null
  })
  const headName = headNameOf(graph)
  const step = headTileRows(vocab, hidden)
  for (let rowStart = 0; rowStart < vocab; rowStart += step) {
    const rowEnd = Math.min(rowStart + step, vocab)
    const rows = await readRows(checkpoint, headName, { rowStart, rowEnd, columns: hidden }, signal)
    const tile = await runner.loadHeadTile(finalNorm, rows)
    const own: (LoadedHeadTile | null)[] = []
    try {
      for (const [index, stored] of headTensors.entries()) {
        const norm = context.recipes[index]?.ends?.finalNorm ?? finalNorm
        if (stored === null) own.push(null)
        else {
          const mode = runtimeRounding(stored.encoding, context.inputs)
          own.push(await runner.loadHeadTile(norm, await storedRange(context, stored, rowStart, rowEnd), mode))
        }
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

function headNameOf({ head, embedding }: ModelGraph): string {
  return (head ?? embedding).name
}

/** A head of its own that is on a grid or changed by the transform is stored, and a final norm with it that is changed. */
async function storeHeads(
  context: WalkContext,
  runner: ModelRunner,
  finalNorm: Float32Array<ArrayBuffer>,
): Promise<readonly (StoredPart | null)[]> {
  const isQuantized = ({ graph, resolved }: RecipeRun): boolean =>
    graph.head !== null && (resolved.get(graph.head.name)?.grid ?? null) !== null
  const gram = context.recipes.some(isQuantized) ? await normedGram(context, runner, finalNorm) : new Float32Array(0)
  const parts: (StoredPart | null)[] = []
  for (const [index, run] of context.recipes.entries()) {
    const startedAt = context.progress.seconds
    if (run.graph.head === null || (run.ends === null && !isQuantized(run))) {
      parts.push(null)
      continue
    }
    const made = await storeHead(context, run, { index, gram, head: run.graph.head })
    parts.push({ recipeId: run.recipe.id, ...made, seconds: context.progress.seconds - startedAt })
  }
  return parts
}

async function storeHead(
  context: WalkContext,
  run: RecipeRun,
  { index, gram, head }: { readonly index: number; readonly gram: Float32Array; readonly head: TensorSpec },
): Promise<{ readonly tensors: StoredTensor[]; readonly layers: LayerResult[] }> {
  const { kernels, signal, checkpoint } = context
  const measure = async (output: OutputSums, { weight, approximation }: MeasuredTile): Promise<void> => {
    output.signal += await kernels.traceThroughGram(weight, gram, signal)
    const delta = weight.data.map((value, i) => value - (approximation[i] ?? 0))
    output.error += await kernels.traceThroughGram({ ...weight, data: delta }, gram, signal)
  }
  const matrix = { name: head.name, source: headNameOf(checkpoint.graph), change: run.ends?.head ?? null, measure }
  const { tensors, made: layer } = await writeTensorFile(context.store, `${context.folder}/tensors/${index}-head.bin`, async (writer) => {
    const figures = await storeEndMatrix(context, run, { ...matrix, writer })
    if (run.ends !== null) await writer.append(vectorTensor(run.graph.finalNorm.name, run.ends.finalNorm))
    return figures
  })
  return { tensors, layers: layer === null ? [] : [layer] }
}

function vectorTensor(name: string, values: Float32Array<ArrayBuffer>): QuantizedTensor<'float'> {
  return { name, rows: 1, columns: values.length, encoding: 'float', values }
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
