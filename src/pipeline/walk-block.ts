import type { LayerResult } from '../evaluation/result.ts'
import type { BlockSpec } from '../models/model-graph.ts'
import type { BlockWeights, LoadedBlock, ModelRunner } from '../runtime/engine.ts'
import type { RunEvent } from './events.ts'
import { batchTokens, type HiddenStates } from './hidden-states.ts'
import type { StoredPart } from './journal.ts'
import { GramSums, measureTensor } from './measure.ts'
import { createRunFile } from './run-files.ts'
import { StoredTensorWriter } from './stored-tensor.ts'
import { blockOperations, isOnGrid, quantizeMatrix, type RecipeRun, resolvedOf, transformOf, type WalkContext } from './walk-context.ts'
import { dequantize, readBlock } from './weights.ts'

/** A block that is computed and stored; `commit` makes its hidden states the current ones. */
export interface FinishedBlock {
  readonly parts: readonly StoredPart[]
  commit(): void
}

/**
 * One block for the float model and every recipe. Weights are in memory between entry and return, never longer. Nothing
 * changes for the run until `commit`, so a block whose engine failed is simply repeated.
 */
export async function walkBlock(
  context: WalkContext,
  block: BlockSpec,
  runner: ModelRunner,
  onEvent: (event: RunEvent) => void,
): Promise<FinishedBlock> {
  const { progress, signal, kernels } = context
  progress.at(block.index, 'reading', null)
  const weights = await readBlock(context.checkpoint, block, signal)

  progress.at(block.index, 'float', null)
  const grams = new GramSums(kernels)
  const commits = [await forwardFloat(context, block, { runner, weights, grams })]

  progress.at(block.index, 'measuring', null)
  const references = new Map<string, number>()
  for (const linear of block.linears) {
    const data = weights[linear.role] ?? new Float32Array(0)
    const matrix = { data, rows: linear.outFeatures, columns: linear.inFeatures }
    references.set(linear.weight, await kernels.traceThroughGram(matrix, grams.get(linear.tap), signal))
  }

  const parts: StoredPart[] = []
  for (const [index, run] of context.recipes.entries()) {
    const startedAt = progress.seconds
    const made = await quantizeBlock(context, block, { run, index, weights, grams, references })
    progress.at(block.index, 'forward', run.recipe.id)
    const loaded = await runner.loadBlock(made.weights)
    try {
      commits.push(await forward(context, block, { states: run.states, loaded }))
    } finally {
      await loaded.release()
    }
    const part = { recipeId: run.recipe.id, layers: made.layers, tensors: made.tensors, seconds: progress.seconds - startedAt }
    parts.push(part)
    onEvent({ kind: 'layers', recipeId: part.recipeId, block: block.index, layers: part.layers })
  }
  return { parts, commit: () => commits.forEach((one) => one.commit()) }
}

type Commit = Awaited<ReturnType<HiddenStates['advance']>>

async function forwardFloat(
  context: WalkContext,
  block: BlockSpec,
  made: { readonly runner: ModelRunner; readonly weights: BlockWeights; readonly grams: GramSums },
): Promise<Commit> {
  const loaded = await made.runner.loadBlock(made.weights)
  try {
    return await forward(context, block, { states: context.float, loaded, grams: made.grams })
  } finally {
    await loaded.release()
  }
}

async function forward(
  context: WalkContext,
  block: BlockSpec,
  pass: { readonly states: HiddenStates; readonly loaded: LoadedBlock; readonly grams?: GramSums },
): Promise<Commit> {
  const { progress, signal } = context
  const { states, loaded, grams } = pass
  const operations = blockOperations(block.linears)
  return states.advance(
    block.index + 1,
    async (index) => {
      const input = await states.read(index, signal)
      const tokens = batchTokens(input)
      const gramRows = grams === undefined ? 0 : (context.gramRows[index] ?? 0)
      const result = await progress.forwarded(tokens, tokens * operations, () => loaded.run(input, { taps: gramRows > 0 }))
      if (gramRows > 0) await grams?.add(result.taps ?? {}, { rows: gramRows, of: tokens }, signal)
      return result.output.data
    },
    signal,
  )
}

async function quantizeBlock(
  context: WalkContext,
  block: BlockSpec,
  input: {
    readonly run: RecipeRun
    readonly index: number
    readonly weights: BlockWeights
    readonly grams: GramSums
    readonly references: ReadonlyMap<string, number>
  },
): Promise<{ readonly weights: BlockWeights; readonly layers: LayerResult[]; readonly tensors: StoredPart['tensors'] }> {
  const { kernels, progress, signal } = context
  const { run, grams } = input
  const transform = transformOf(run.recipe)
  const source = await transform.member.apply(block, input.weights, { settings: transform.settings, signal })
  const weights: Record<string, Float32Array<ArrayBuffer>> = { ...source }
  const layers: LayerResult[] = []
  const path = `${context.folder}/tensors/${input.index}-${block.index}.bin`
  const file = await createRunFile(context.store, path)
  try {
    const writer = new StoredTensorWriter(file.sink, path)
    for (const linear of block.linears) {
      const tensor = resolvedOf(run, linear.weight)
      if (!isOnGrid(tensor)) continue
      const weight = { data: source[linear.role] ?? new Float32Array(0), rows: linear.outFeatures, columns: linear.inFeatures }
      progress.at(block.index, 'quantizing', run.recipe.id)
      const quantized = await progress.quantized(weight.data.length, () => quantizeMatrix(context, run.recipe, tensor, weight))
      await writer.append(quantized)
      const approximation = await dequantize(kernels, quantized, signal)
      progress.at(block.index, 'measuring', run.recipe.id)
      const reference = input.references.get(linear.weight) ?? 0
      const output = { gram: grams.get(linear.tap), reference, kernels }
      layers.push(await measureTensor(tensor, { weight, approximation }, output, signal))
      weights[linear.role] = approximation
    }
    await file.finish()
    return { weights, layers, tensors: writer.tensors() }
  } catch (error) {
    await file.sink.abort()
    throw error
  }
}
