import type { Checkpoint } from '../checkpoint/checkpoint.ts'
import { firstDifference, generate, type NextLogits } from '../evaluation/generate.ts'
import type { InputsId } from '../evaluation/result.ts'
import type { FileStore } from '../io/file-store.ts'
import { isRequantized } from '../kernels/contract/activations.ts'
import type { Kernels } from '../kernels/contract/kernels.ts'
import type { BlockSpec, ModelGraph } from '../models/model-graph.ts'
import { tensorRoles } from '../models/tensors.ts'
import { recipeGraph } from '../quantization/recipe-graph.ts'
import { type ResolvedTensor, resolveTensors } from '../quantization/resolve.ts'
import { rowScalesOf } from '../quantization/row-scales.ts'
import type { Continuation, GenerateEvent, GenerateRequest } from '../rpc/contract.ts'
import type { Activations, BlockCache, BlockWeights, LoadedBlock, LoadedHeadTile, ModelRunner } from '../runtime/engine.ts'
import type { BlockActivationModes } from '../runtime/graphs/activations.ts'
import { rowScales } from '../runtime/graphs/requantize.ts'
import type { Tokenizer } from '../runtime/tokenizer.ts'
import { measuredModesOf, runtimeRounding } from './activation-modes.ts'
import { checkpointRows, EmbeddingLookup, storedRows } from './embedding.ts'
import type { RunResult } from './run-result.ts'
import { readStored, type StoredTensor } from './stored-tensor.ts'
import { blockOperations } from './walk-context.ts'
import { headTileRows } from './walk-head.ts'
import { dequantize, readBlock, readRows, readVector, storedRange } from './weights.ts'

export interface GenerateTools {
  readonly checkpoint: Checkpoint
  readonly tokenizer: Tokenizer
  readonly store: FileStore
  readonly kernels: Kernels
  readonly runner: ModelRunner
  /** Weights stay loaded between tokens when all of them fit in here; else blocks are read for every token. */
  readonly residentBytes: number
  readonly now: () => number
}

/**
 * The same prompt continued by the float model and by each recipe, one after the other, from what the run stored; matrices take what
 * they took where the run measured.
 */
export async function generateAll(
  tools: GenerateTools,
  scope: { readonly request: GenerateRequest; readonly result: RunResult },
  onEvent: (event: GenerateEvent) => void,
  signal: AbortSignal,
): Promise<Continuation[]> {
  const { request, result } = scope
  const continuations: Continuation[] = []
  let float: readonly number[] | null = null
  for (const recipeId of [null, ...request.recipeIds]) {
    const model = openModel(tools, { result, recipeId, inputs: result.report.evaluation?.inputs ?? 'float' }, signal)
    try {
      const made = await continueOne(tools, { model, request, recipeId }, onEvent, signal)
      float ??= made.tokenIds
      continuations.push({ ...made, firstDifference: recipeId === null ? null : firstDifference(float, made.tokenIds) })
    } finally {
      await model.release()
    }
  }
  return continuations
}

/** What computes the logits after each further token, and frees its weights. */
export interface StoredModel {
  readonly next: NextLogits
  release(): Promise<void>
}

/** The float model (`recipeId` null) or a recipe of a finished run, as the studio itself runs it. */
export function openModel(
  tools: GenerateTools,
  { result, recipeId, inputs }: { readonly result: RunResult; readonly recipeId: string | null; readonly inputs: InputsId },
  signal: AbortSignal,
): StoredModel {
  const tensors = recipeId === null ? [] : (result.tensors[recipeId] ?? [])
  const recipe = result.report.recipes.find(({ id }) => id === recipeId)?.recipe
  const { graph } = tools.checkpoint
  const resolved = recipe === undefined ? new Map<string, ResolvedTensor>() : resolveTensors(graph, recipe)
  const stored = new Map(tensors.map((tensor) => [tensor.name, tensor]))
  const inputModes = recipeId === null ? [] : (result.inputModes[recipeId] ?? [])
  return new StreamedModel(
    tools,
    { graph: recipe === undefined ? graph : recipeGraph(graph, recipe), stored, resolved, inputModes, inputs },
    signal,
  )
}

async function continueOne(
  tools: GenerateTools,
  scope: { readonly model: StoredModel; readonly request: GenerateRequest; readonly recipeId: string | null },
  onEvent: (event: GenerateEvent) => void,
  signal: AbortSignal,
): Promise<Omit<Continuation, 'firstDifference'>> {
  const { tokenizer, checkpoint, now } = tools
  const { request, recipeId, model } = scope
  const start = tokenizer.bosTokenId === null ? [] : [tokenizer.bosTokenId]
  const prompt = [...start, ...tokenizer.encode(request.prompt)]
  const room = checkpoint.graph.config.maxPositions - prompt.length
  const options = {
    prompt,
    maxTokens: Math.max(0, Math.min(request.maxTokens, room)),
    temperature: request.temperature,
    seed: request.seed,
    stopIds: checkpoint.graph.config.eosTokenIds,
  }
  const tokenIds: number[] = []
  const pieces: string[] = []
  const before = tokenizer.decode(prompt)
  let text = ''
  const startedAt = now()
  for await (const id of generate(model.next, options, signal)) {
    tokenIds.push(id)
    // Decoding the whole gives spaces and characters that span tokens as the tokenizer wants them.
    const whole = tokenizer.decode([...prompt, ...tokenIds]).slice(before.length)
    pieces.push(whole.slice(text.length))
    text = whole
    onEvent({ recipeId, tokens: tokenIds.length, text })
  }
  const seconds = (now() - startedAt) / 1000
  return { recipeId, tokenIds, pieces, text, tokensPerSecond: seconds > 0 ? tokenIds.length / seconds : 0 }
}

/** A model whose blocks come from the checkpoint or from what a recipe stored, kept loaded when they fit. */
class StreamedModel {
  readonly #tools: GenerateTools
  readonly #graph: ModelGraph
  readonly #stored: ReadonlyMap<string, StoredTensor>
  readonly #resolved: ReadonlyMap<string, ResolvedTensor>
  readonly #inputModes: readonly BlockActivationModes[]
  readonly #inputs: InputsId
  readonly #signal: AbortSignal
  readonly #keepsBlocks: boolean
  #blocks: LoadedBlock[] = []
  #head: LoadedHeadTile[] = []
  #caches: (BlockCache | null)[] = []

  constructor(
    tools: GenerateTools,
    recipe: {
      /** The model as its transform leaves it. */
      readonly graph: ModelGraph
      readonly stored: ReadonlyMap<string, StoredTensor>
      readonly resolved: ReadonlyMap<string, ResolvedTensor>
      /** Of its transform, by block. */
      readonly inputModes: readonly BlockActivationModes[]
      readonly inputs: InputsId
    },
    signal: AbortSignal,
  ) {
    this.#tools = tools
    this.#graph = recipe.graph
    this.#stored = recipe.stored
    this.#resolved = recipe.resolved
    this.#inputModes = recipe.inputModes
    this.#inputs = recipe.inputs
    this.#signal = signal
    const { graph } = recipe
    const weights = blockOperations(graph.blocks[0]?.linears ?? []) * graph.config.layers + graph.config.vocab * graph.config.hidden
    // f32 here on their way in, and f32 in the engine.
    this.#keepsBlocks = 2 * 4 * weights <= tools.residentBytes
  }

  readonly next: NextLogits = async (ids) => {
    const { checkpoint } = this.#tools
    const { hidden } = checkpoint.graph.config
    let activations: Activations = { data: await this.#embed(ids), batch: 1, length: ids.length, width: hidden }
    for (const block of checkpoint.graph.blocks) {
      const loaded = this.#blocks[block.index] ?? (await this.#load(block))
      const { output, cache } = await loaded.step(activations, this.#caches[block.index] ?? null)
      this.#caches[block.index] = cache
      activations = output
      if (this.#keepsBlocks) this.#blocks[block.index] = loaded
      else await loaded.release()
    }
    return this.#logits(activations.data.slice(-hidden))
  }

  async release(): Promise<void> {
    for (const block of this.#blocks) await block.release()
    for (const tile of this.#head) await tile.release()
    this.#blocks = []
    this.#head = []
    this.#caches = []
  }

  async #embed(ids: readonly number[]): Promise<Float32Array<ArrayBuffer>> {
    const { checkpoint, store, kernels } = this.#tools
    const stored = this.#stored.get(checkpoint.graph.embedding.name)
    const rows = stored === undefined ? checkpointRows(checkpoint) : storedRows(store, stored, kernels)
    return new EmbeddingLookup([Int32Array.from(ids)], checkpoint.graph.config.hidden, rows).embed(0, this.#signal)
  }

  async #load(block: BlockSpec): Promise<LoadedBlock> {
    const { checkpoint, store, kernels, runner } = this.#tools
    const weights: Record<string, Float32Array<ArrayBuffer>> = { ...(await readBlock(checkpoint, block, this.#signal)) }
    const modes = measuredModesOf(this.#resolved, block, { ofTransform: this.#inputModes[block.index], inputs: this.#inputs })
    for (const { role, name } of tensorRoles(block)) {
      const stored = this.#stored.get(name)
      if (stored === undefined) continue
      const tensor = await readStored(store, stored, this.#signal)
      weights[role] = await dequantize(kernels, tensor, this.#signal)
      const scales = isRequantized(modes[role]) ? rowScalesOf(tensor) : null
      if (scales !== null) weights[rowScales(role)] = scales
    }
    return runner.loadBlock(weights satisfies BlockWeights, modes)
  }

  async #logits(hidden: Float32Array<ArrayBuffer>): Promise<Float32Array> {
    const { runner } = this.#tools
    const { config, head, embedding } = this.#graph
    const logits = new Float32Array(config.vocab)
    const step = headTileRows(config.vocab, config.hidden)
    const norm = this.#head.length > 0 ? new Float32Array(0) : await this.#finalNorm()
    const { name } = head ?? embedding
    const mode = runtimeRounding(this.#stored.get(name)?.encoding ?? { encoding: 'source' }, this.#inputs)
    for (let rowStart = 0; rowStart < config.vocab; rowStart += step) {
      const index = rowStart / step
      const rowEnd = Math.min(rowStart + step, config.vocab)
      const rows = async (): Promise<Float32Array<ArrayBuffer>> => this.#headRows(name, rowStart, rowEnd)
      const tile = this.#head[index] ?? (await runner.loadHeadTile(norm, await rows(), mode))
      logits.set(await tile.run(hidden, 1), rowStart)
      if (this.#keepsBlocks) this.#head[index] = tile
      else await tile.release()
    }
    return logits
  }

  async #finalNorm(): Promise<Float32Array<ArrayBuffer>> {
    const { checkpoint, store, kernels } = this.#tools
    const { name } = this.#graph.finalNorm
    const stored = this.#stored.get(name)
    if (stored === undefined) return readVector(checkpoint, name, this.#signal)
    return dequantize(kernels, await readStored(store, stored, this.#signal), this.#signal)
  }

  async #headRows(name: string, rowStart: number, rowEnd: number): Promise<Float32Array<ArrayBuffer>> {
    const { checkpoint, store, kernels } = this.#tools
    const columns = checkpoint.graph.config.hidden
    const stored = this.#stored.get(name)
    if (stored === undefined) return readRows(checkpoint, name, { rowStart, rowEnd, columns }, this.#signal)
    return storedRange({ store, kernels, signal: this.#signal }, stored, rowStart, rowEnd)
  }
}
