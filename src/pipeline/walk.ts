import type { Checkpoint } from '../checkpoint/checkpoint.ts'
import { isAbort, StudioError, throwIfAborted } from '../core/errors.ts'
import type { FileStore } from '../io/file-store.ts'
import type { Kernels } from '../kernels/contract/kernels.ts'
import { recipeEnds, recipeGraph } from '../quantization/recipe-graph.ts'
import { resolveTensors } from '../quantization/resolve.ts'
import type { ModelRunner } from '../runtime/engine.ts'
import { makeBatches, type TokenWindow, type WindowBatch } from './batches.ts'
import type { EngineSupply } from './engine-supply.ts'
import type { RunEvent } from './events.ts'
import { HiddenStates } from './hidden-states.ts'
import {
  areStreamsUnchanged,
  type Journal,
  journalVersion,
  loadJournal,
  loadParts,
  runFolder,
  type StoredBlock,
  saveJournal,
} from './journal.ts'
import { learningOf } from './learning.ts'
import type { RunRequest } from './plan.ts'
import { ProgressMeter } from './progress.ts'
import { quantizeOnly } from './quantize-only.ts'
import { type RunFile, writeJson } from './run-files.ts'
import { weightsLeft } from './tiles.ts'
import { walkBlock } from './walk-block.ts'
import { type FinishedBlock, type RecipeRun, type WalkContext, walkWork } from './walk-context.ts'
import { walkEmbedding } from './walk-embedding.ts'
import { type HeadResult, walkHead } from './walk-head.ts'
import { readVector } from './weights.ts'

export interface WalkInput {
  readonly checkpoint: Checkpoint
  readonly request: RunRequest
  readonly planHash: string
  readonly evaluation: readonly TokenWindow[]
  /** Windows to learn from, whose float activations also give the layer errors their G; empty: the evaluation's first `gramTokens`. */
  readonly calibration: readonly TokenWindow[]
  /** Tokens that go into G at most. */
  readonly gramTokens: number
  /** Mean squares of inputs by weight, from a file; `null`: they are measured. */
  readonly importance: ReadonlyMap<string, Float32Array<ArrayBuffer>> | null
  /** Where an export of a recipe has its matrices as they are stored, by recipe, then by name; empty where none does. */
  readonly offsets: readonly ReadonlyMap<string, number>[]
  readonly kernels: Kernels
  readonly engines: EngineSupply
  readonly store: FileStore
  /** Bytes of hidden states that may stay in memory. */
  readonly hiddenBudgetBytes: number
  /** Milliseconds, for durations only. */
  readonly now: () => number
  readonly memoryBytes: () => number | null
}

export interface WalkResult {
  readonly evaluation: readonly WindowBatch[]
  /** The embedding, then the blocks. */
  readonly blocks: readonly StoredBlock[]
  readonly head: HeadResult
  readonly headBackend: string
  readonly headKernelBackend: string
  readonly seconds: number
}

/**
 * The walk: every block once, for the float model and all recipes. Resumes after the last finished block of a journal with
 * the same plan hash. Abort stops between batches; finished blocks stay on disk, as after any fault.
 */
export async function runWalk(input: WalkInput, onEvent: (event: RunEvent) => void, signal: AbortSignal): Promise<WalkResult> {
  throwIfAborted(signal)
  const { checkpoint, store, planHash } = input
  const resumed = await resumable(input, onEvent, signal)
  if (resumed === null) await store.delete(runFolder(planHash))
  const context = await makeContext(input, resumed?.journal ?? null, onEvent, signal)
  const blocks: StoredBlock[] = resumed === null ? [] : [...resumed.blocks]
  const files: RunFile[] = resumed === null ? [] : [...resumed.journal.parts]
  const total = checkpoint.graph.blocks.length
  onEvent({ kind: 'started', planHash, blocks: total, resumedBlocks: Math.max(0, blocks.length - 1) })
  tellStored(blocks, onEvent)

  if (!hasForwardPasses(input)) {
    input.kernels.placement?.startRecord()
    const parts = await quantizeUnits({ input, context, blocks, files }, onEvent)
    const head = { states: [], parts, seconds: [] }
    const { backend } = input.kernels
    return { evaluation: [], blocks, head, headBackend: 'none', headKernelBackend: backend, seconds: context.progress.seconds }
  }
  if (blocks.length === 0) {
    input.kernels.placement?.startRecord()
    const embedding = await walkEmbedding(context)
    await keep({ input, context, blocks, files }, embedding, 'none')
  }
  while (blocks.length <= total) {
    const block = checkpoint.graph.blocks[blocks.length - 1]
    if (block === undefined) break
    throwIfAborted(signal)
    input.kernels.placement?.startRecord()
    try {
      const { value, backend } = await onAnyEngine({ input, onEvent, signal, what: `Block ${block.index + 1}` }, (runner) =>
        walkBlock(context, block, runner, onEvent),
      )
      await keep({ input, context, blocks, files }, value, backend)
    } catch (error) {
      throw withPosition(error, block.index, total)
    }
    context.progress.blockDone()
    onEvent({ kind: 'block-stored', block: block.index })
  }
  const embeddings = blocks[0]?.parts ?? []
  input.kernels.placement?.startRecord()
  const { value: head, backend } = await onAnyEngine({ input, onEvent, signal, what: 'The head' }, (runner) =>
    walkHead(context, runner, embeddings),
  )
  return {
    evaluation: context.evaluation,
    blocks,
    head,
    headBackend: backend,
    headKernelBackend: input.kernels.backend,
    seconds: context.progress.seconds,
  }
}

/** Nothing goes through the model when there is no text to measure on and no recipe that calibrates. */
function hasForwardPasses({ evaluation, calibration }: WalkInput): boolean {
  return evaluation.length + calibration.length > 0
}

/** Quantizes without forward passes from the first unit that is not kept on. Returns the parts of the head. */
async function quantizeUnits(run: Parameters<typeof keep>[0], onEvent: (event: RunEvent) => void): Promise<StoredBlock['parts']> {
  const { context, blocks, input } = run
  const { layers } = input.checkpoint.graph.config
  let head: StoredBlock['parts'] = []
  await quantizeOnly(context, { stored: blocks, offsets: input.offsets }, async ({ block, name }, parts) => {
    for (const { recipeId, layers: found } of parts) {
      if (found.length > 0) onEvent({ kind: 'layers', recipeId, block: block?.index ?? -1, layers: found })
    }
    if (name === 'head') {
      head = parts
      return
    }
    try {
      await keep(run, { parts, squares: null, commit: () => undefined }, 'none')
    } catch (error) {
      throw withPosition(error, block?.index ?? 0, layers)
    }
    if (block === null) return
    context.progress.blockDone()
    onEvent({ kind: 'block-stored', block: block.index })
  })
  return head
}

async function makeContext(
  input: WalkInput,
  journal: Journal | null,
  onEvent: (event: RunEvent) => void,
  signal: AbortSignal,
): Promise<WalkContext> {
  const { checkpoint, store } = input
  const { config } = checkpoint.graph
  const evaluation = makeBatches(input.evaluation, config)
  const calibration = makeBatches(input.calibration, config)
  const folder = runFolder(input.planHash)
  const tokensOf = (batches: readonly WindowBatch[]): number => batches.reduce((sum, batch) => sum + batch.ids.length, 0)
  let budget = input.hiddenBudgetBytes
  const states = (id: string, batches: readonly WindowBatch[]): HiddenStates => {
    // Two generations: the one that is read and the one that is being written.
    const bytes = 2 * 4 * tokensOf(batches) * config.hidden
    const isResident = bytes <= budget
    if (isResident) budget -= bytes
    const shapes = batches.map(({ batch, length }) => ({ batch, length }))
    return new HiddenStates({
      store,
      path: (generation) => `${folder}/hidden/${generation}-${id}.f32`,
      shapes,
      width: config.hidden,
      isResident,
    })
  }
  const float = states('float', [...evaluation, ...calibration])
  const finalNorm = await readVector(checkpoint, checkpoint.graph.finalNorm.name, signal)
  const recipes: RecipeRun[] = input.request.recipes.map((recipe, index) => ({
    recipe,
    learning: learningOf(recipe),
    graph: recipeGraph(checkpoint.graph, recipe),
    ends: recipeEnds(config, recipe, finalNorm),
    resolved: resolveTensors(checkpoint.graph, recipe),
    states: states(String(index), learningOf(recipe).from === 'own' ? [...evaluation, ...calibration] : evaluation),
  }))
  for (const [index, stream] of [float, ...recipes.map((run) => run.states)].entries()) {
    const file = journal?.streams[index]
    if (file !== undefined) stream.restore(file)
  }
  const scored = evaluation.reduce((sum, batch) => sum + batch.targets.filter((target) => target !== -1).length, 0)
  const tokens = { evaluation: tokensOf(evaluation), calibration: tokensOf(calibration), scored }
  const work = walkWork(checkpoint, tokens, input.request.recipes)
  const blocksLeft = config.layers - (journal?.blocksDone ?? 0)
  const workLeft = hasForwardPasses(input)
    ? blocksLeft * work.block + work.head
    : weightsLeft(checkpoint.graph, recipes, journal === null ? 0 : journal.blocksDone + 1)
  const progress = new ProgressMeter({
    send: onEvent,
    now: input.now,
    blocks: config.layers,
    work: workLeft,
    earlierSeconds: journal?.secondsSoFar ?? 0,
    memory: input.memoryBytes,
  })
  const gramRows = gramRowsOf(evaluation, calibration, input.gramTokens)
  const { kernels, importance, request } = input
  const inputs = request.evaluation?.inputs ?? 'float'
  return { checkpoint, kernels, store, folder, recipes, float, evaluation, calibration, inputs, gramRows, importance, progress, signal }
}

/** G comes from the calibration batches when there are any, else from the evaluation's first tokens. */
function gramRowsOf(evaluation: readonly WindowBatch[], calibration: readonly WindowBatch[], limit: number): number[] {
  let left = limit
  return [...evaluation, ...calibration].map((batch, index) => {
    if (calibration.length > 0 && index < evaluation.length) return 0
    const rows = Math.min(left, batch.ids.length)
    left -= rows
    return rows
  })
}

async function resumable(
  input: WalkInput,
  onEvent: (event: RunEvent) => void,
  signal: AbortSignal,
): Promise<{ readonly journal: Journal; readonly blocks: readonly StoredBlock[] } | null> {
  const journal = await loadJournal(input.store, input.planHash)
  if (journal === null) return null
  if (journal !== 'damaged') {
    const blocks = await loadParts(input.store, journal, signal)
    if (blocks !== null && (await areStreamsUnchanged(input.store, journal, signal))) return { journal, blocks }
  }
  const text = 'What an earlier run of this plan had stored is damaged, so the run starts from the first block again.'
  onEvent({ kind: 'notice', severity: 'warning', text })
  return null
}

/** Blocks of an earlier session look to the page like blocks of this one. */
function tellStored(blocks: readonly StoredBlock[], onEvent: (event: RunEvent) => void): void {
  for (const [index, block] of blocks.entries()) {
    for (const part of block.parts) {
      if (part.layers.length > 0) onEvent({ kind: 'layers', recipeId: part.recipeId, block: index - 1, layers: part.layers })
    }
    if (index > 0) onEvent({ kind: 'block-stored', block: index - 1 })
  }
}

/** Writes the journal of a finished block, then lets go of what it replaces. */
async function keep(
  run: { readonly input: WalkInput; readonly context: WalkContext; readonly blocks: StoredBlock[]; readonly files: RunFile[] },
  finished: FinishedBlock,
  forwardBackend: string,
): Promise<void> {
  const { input, context, blocks, files } = run
  const { store, checkpoint } = input
  const streams = [context.float, ...context.recipes.map((one) => one.states)]
  const old = streams.flatMap((stream) => (stream.file === null ? [] : [stream.file.path]))
  const block: StoredBlock = { forwardBackend, kernelBackend: context.kernels.backend, parts: finished.parts, squares: finished.squares }
  files.push(await writeJson(store, `${context.folder}/blocks/${blocks.length}.json`, block))
  blocks.push(block)
  finished.commit()
  await saveJournal(store, {
    version: journalVersion,
    planHash: input.planHash,
    modelName: checkpoint.name,
    fingerprint: checkpoint.origin.fingerprint,
    request: input.request,
    blocks: checkpoint.graph.blocks.length,
    blocksDone: blocks.length - 1,
    secondsSoFar: context.progress.seconds,
    savedAt: new Date().toISOString(),
    streams: streams.flatMap((stream) => (stream.file === null ? [] : [stream.file])),
    parts: files,
  })
  for (const path of old) await store.delete(path)
}

/** Runs a step, and repeats it on the next engine when the one in use is lost. */
async function onAnyEngine<T>(
  scope: { readonly input: WalkInput; readonly onEvent: (event: RunEvent) => void; readonly signal: AbortSignal; readonly what: string },
  step: (runner: ModelRunner) => Promise<T>,
): Promise<{ readonly value: T; readonly backend: string }> {
  const { input, onEvent, signal, what } = scope
  for (;;) {
    let lost = 'The preferred engine'
    try {
      const { backend, runner } = await input.engines.get(signal)
      lost = backend
      return { value: await step(runner), backend }
    } catch (error) {
      if (isAbort(error) || !input.engines.canFallBack(error)) throw error
      await input.engines.fallBack()
      const { backend } = await input.engines.get(signal)
      const text = `${lost} went away. ${what} is repeated on ${backend}. The result will say which part ran where.`
      onEvent({ kind: 'notice', severity: 'warning', text })
    }
  }
}

/** Says where the storage ended and what is safe. */
function withPosition(error: unknown, block: number, blocks: number): unknown {
  if (!(error instanceof StudioError) || error.code !== 'storage-full') return error
  const facts = {
    title: `Storage ran out at block ${block + 1}`,
    message: `${block} of ${blocks} blocks are safe. ${error.message}`,
    remedy: 'Free storage or remove recipes, then resume.',
    details: { ...error.details, block, blocks },
  }
  return new StudioError('storage-full', facts, { cause: error })
}
