import type { Finding } from '../core/finding.ts'
import type { LayerResult } from '../evaluation/result.ts'
import { isRequantized } from '../kernels/contract/activations.ts'
import type { BlockSpec, LinearSpec } from '../models/model-graph.ts'
import { tensorRoles } from '../models/tensors.ts'
import type { QuantizedTensor } from '../quantization/quantized-tensor.ts'
import { changedFloats } from '../quantization/resolve.ts'
import type { LayerActivations } from '../quantization/rounding.ts'
import { rowScalesOf } from '../quantization/row-scales.ts'
import type { TransformedBlock } from '../quantization/transform.ts'
import type { BlockWeights, LoadedBlock, ModelRunner } from '../runtime/engine.ts'
import { type BlockActivationModes, modesKey } from '../runtime/graphs/activations.ts'
import { rowScales } from '../runtime/graphs/requantize.ts'
import { activationModesOf, measuredModesOf } from './activation-modes.ts'
import type { RunEvent } from './events.ts'
import { batchTokens, type HiddenStates } from './hidden-states.ts'
import type { StoredPart } from './journal.ts'
import { activationsOf } from './learning.ts'
import { GramSums, measureTensor, shareOfZeros } from './measure.ts'
import { storedSquares } from './measured-importance.ts'
import { TapSums } from './tap-sums.ts'
import { writeTensorFile } from './tensor-file.ts'
import {
  blockOperations,
  type FinishedBlock,
  isOnGrid,
  quantizeMatrix,
  type RecipeRun,
  resolvedOf,
  type WalkContext,
} from './walk-context.ts'
import { linearGroups, ownActivations } from './walk-learning.ts'
import { transformBlock } from './walk-transform.ts'
import { dequantize, readBlock } from './weights.ts'

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
  const needsSums = context.recipes.some((run) => run.learning.transformNeedsInputs)
  const sums = needsSums ? new TapSums(context.gramRows.reduce((sum, rows) => sum + rows, 0)) : null
  const commits = [await forwardFloat(context, block, { runner, weights, grams, sums })]

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
    const made = await quantizeBlock(context, block, { run, index, runner, weights, grams, sums, references })
    progress.at(block.index, 'forward', run.recipe.id)
    commits.push(await forwardRecipe(context, block, { run, runner, made }))
    const { layers, tensors, inputModes } = made
    const rounded = Object.keys(inputModes).length === 0 ? {} : { inputModes }
    parts.push({ recipeId: run.recipe.id, layers, tensors, seconds: progress.seconds - startedAt, ...rounded })
    onEvent({ kind: 'layers', recipeId: run.recipe.id, block: block.index, layers })
  }
  const taps = new Set(block.linears.map((linear) => linear.tap))
  const squares = context.calibration.length === 0 ? null : storedSquares(grams, taps)
  return { parts, squares, commit: () => commits.forEach((one) => one.commit()) }
}

type Commit = Awaited<ReturnType<HiddenStates['advance']>>

async function forwardFloat(
  context: WalkContext,
  block: BlockSpec,
  made: { readonly runner: ModelRunner; readonly weights: BlockWeights; readonly grams: GramSums; readonly sums: TapSums | null },
): Promise<Commit> {
  const loaded = await made.runner.loadBlock(made.weights)
  try {
    return await forward(context, block, { states: context.float, blockOf: () => loaded, grams: made.grams, sums: made.sums })
  } finally {
    await loaded.release()
  }
}

/**
 * The evaluation batches as the run measures them; then the calibration batches with no rounding but the recipe's own: what is
 * learnt, and so what is stored, does not depend on what measures it.
 */
async function forwardRecipe(
  context: WalkContext,
  block: BlockSpec,
  { run, runner, made }: { readonly run: RecipeRun; readonly runner: ModelRunner; readonly made: QuantizedBlock },
): Promise<Commit> {
  const { inputs, evaluation } = context
  const modes = {
    measured: measuredModesOf(run.resolved, block, { ofTransform: made.inputModes, inputs }),
    learnt: activationModesOf(run.resolved, block, made.inputModes),
  }
  const isOneForBoth = modesKey(modes.measured) === modesKey(modes.learnt)
  const loaded: { block: LoadedBlock | null } = { block: await runner.loadBlock(made.weights, modes.measured) }
  const blockOf = async (index: number): Promise<LoadedBlock> => {
    // One at a time: on a graphics card each has a copy of the weights.
    if (index === evaluation.length && !isOneForBoth) {
      await loaded.block?.release()
      loaded.block = null
    }
    loaded.block ??= await runner.loadBlock(made.weights, modes.learnt)
    return loaded.block
  }
  try {
    return await forward(context, block, { states: run.states, blockOf })
  } finally {
    await loaded.block?.release()
  }
}

async function forward(
  context: WalkContext,
  block: BlockSpec,
  pass: {
    readonly states: HiddenStates
    /** For a batch; batches come in order. */
    readonly blockOf: (index: number) => LoadedBlock | Promise<LoadedBlock>
    readonly grams?: GramSums
    readonly sums?: TapSums | null
  },
): Promise<Commit> {
  const { progress, signal } = context
  const { states, blockOf, grams, sums } = pass
  const operations = blockOperations(block.linears)
  const hasRanges = context.recipes.some((run) => run.learning.transformNeedsOutputs)
  return states.advance(
    block.index + 1,
    async (index) => {
      const loaded = await blockOf(index)
      const input = await states.read(index, signal)
      const tokens = batchTokens(input)
      const gramRows = grams === undefined ? 0 : (context.gramRows[index] ?? 0)
      const asked = { taps: gramRows > 0, ranges: gramRows > 0 && hasRanges }
      const result = await progress.forwarded(tokens, tokens * operations, () => loaded.run(input, asked))
      if (gramRows > 0) {
        await grams?.add(result.taps ?? {}, { rows: gramRows, of: tokens }, signal)
        sums?.add(result, { rows: gramRows, of: tokens })
      }
      return result.output.data
    },
    signal,
  )
}

interface BlockInput {
  readonly run: RecipeRun
  readonly index: number
  readonly runner: ModelRunner
  readonly weights: BlockWeights
  readonly grams: GramSums
  readonly sums: TapSums | null
  /** trace(W G W^T) of each linear's weights, by their name. */
  readonly references: ReadonlyMap<string, number>
}

interface QuantizedBlock {
  readonly weights: BlockWeights
  readonly layers: LayerResult[]
  readonly tensors: StoredPart['tensors']
  readonly inputModes: BlockActivationModes
}

/** Quantizes and stores the linears of a block, group by group as the recipe learns; `weights` are those of the quantized block. */
async function quantizeBlock(context: WalkContext, block: BlockSpec, input: BlockInput): Promise<QuantizedBlock> {
  const { run, runner } = input
  const source = await transformBlock(context, block, input)
  const weights: Record<string, Float32Array<ArrayBuffer>> = { ...source.tensors }
  const layers: LayerResult[] = []
  const path = `${context.folder}/tensors/${input.index}-${block.index}.bin`
  const { tensors } = await writeTensorFile(context.store, path, async (writer) => {
    for (const { linears, taps } of linearGroups(block, run.learning.isTrueSequential)) {
      if (!linears.some((linear) => isOnGrid(resolvedOf(run, linear.weight)))) continue
      const learnt =
        run.learning.from === 'own'
          ? await ownActivations(context, block, { run, runner, weights, floatWeights: source.tensors, taps, inputModes: source.modes })
          : null
      for (const linear of linears) {
        const activations = learnt?.get(linear.tap) ?? null
        const importance = activations?.meanSquare ?? importanceOf(context, linear, { input, source })
        const made = await quantizeLinear(context, linear, { input, source, activations, importance })
        if (made === null) continue
        await writer.append(made.quantized)
        layers.push(made.layer)
        weights[linear.role] = made.approximation
        const scales = isRequantized(source.modes[linear.role]) ? rowScalesOf(made.quantized) : null
        if (scales !== null) weights[rowScales(linear.role)] = scales
      }
    }
    for (const tensor of floatsOf(block, run, source)) await writer.append(tensor)
  })
  return { weights, layers, tensors, inputModes: source.modes }
}

/** `null` for a linear that stays as it is. */
async function quantizeLinear(
  context: WalkContext,
  linear: LinearSpec,
  given: {
    readonly input: BlockInput
    readonly source: TransformedBlock
    readonly activations: LayerActivations | null
    readonly importance: Float32Array<ArrayBuffer> | null
  },
): Promise<{
  readonly quantized: QuantizedTensor
  readonly approximation: Float32Array<ArrayBuffer>
  readonly layer: LayerResult
} | null> {
  const { kernels, progress, signal } = context
  const { input, source, activations, importance } = given
  const { run, grams } = input
  const tensor = resolvedOf(run, linear.weight)
  if (!isOnGrid(tensor)) return null
  const shape = { rows: linear.outFeatures, columns: linear.inFeatures }
  const weight = { ...shape, data: source.tensors[linear.role] ?? new Float32Array(0) }
  progress.at(tensor.block, 'quantizing', run.recipe.id)
  const findings: Finding[] = [...(source.findings.get(linear.role) ?? [])]
  const values = { weight, activations, importance, onFinding: (finding: Finding): unknown => findings.push(finding) }
  const quantized = await progress.quantized(weight.data.length, () => quantizeMatrix(context, run.recipe, tensor, values))
  const approximation = await dequantize(kernels, quantized, signal)
  progress.at(tensor.block, 'measuring', run.recipe.id)
  const output = { gram: grams.get(linear.tap), reference: input.references.get(linear.weight) ?? 0, kernels }
  // Errors are those of the checkpoint's own linear, whatever space the codes are in.
  const measured = {
    weight: { ...shape, data: input.weights[linear.role] ?? new Float32Array(0) },
    approximation: source.restore(linear.role, approximation),
  }
  const layer = await measureTensor(tensor, measured, output, signal)
  const told = findings.length === 0 ? layer : { ...layer, findings }
  return { quantized, approximation, layer: source.isPruned === true ? { ...told, sparsity: shareOfZeros(approximation) } : told }
}

/** What a file says of a linear's inputs, else what the float model puts into it: the G that layer errors are measured with. */
function importanceOf(
  context: WalkContext,
  linear: LinearSpec,
  { input, source }: { readonly input: BlockInput; readonly source: TransformedBlock },
): Float32Array<ArrayBuffer> | null {
  if (input.run.learning.from !== 'float') return null
  if (context.importance === null) {
    const tokens = context.gramRows.reduce((sum, rows) => sum + rows, 0)
    return source.activationsOf(linear.tap, activationsOf(input.grams.get(linear.tap), tokens)).meanSquare
  }
  const said = context.importance.get(linear.weight)
  return said === undefined ? null : source.importanceOf(linear.tap, said)
}

/** Tensors that the transform may have changed and no grid holds; a vector is one row. */
function floatsOf(block: BlockSpec, run: RecipeRun, source: TransformedBlock): QuantizedTensor<'float'>[] {
  const roles = new Map(tensorRoles(block).map(({ role, name }) => [name, role]))
  return changedFloats(block, run.recipe, run.resolved).map(({ name, shape }) => {
    const values = source.tensors[roles.get(name) ?? '']
    if (values === undefined) throw new RangeError(`${name} has no values`)
    const columns = shape.at(-1) ?? 1
    return { name, rows: values.length / columns, columns, encoding: 'float', values }
  })
}
