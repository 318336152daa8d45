import { throwIfAborted } from '../core/errors.ts'
import { type GgmlType, ggmlBytes } from './contract/ggml.ts'
import type { Kernels, LogitState, LogitTile, Matrix, MatrixShape, ResultMemory, WeightSums } from './contract/kernels.ts'
import type { KernelExecutor } from './executor.ts'
import { requireBlocks, requireGgmlImportance, requireLength } from './faults.ts'
import { pieceOf, rowPieces } from './pieces.ts'
import { dequantizeAffine, quantizeAffine } from './split-affine.ts'
import { dequantizeCodeBook, quantizeCodeBook } from './split-codebook.ts'
import { descendCodes } from './split-descent.ts'
import { describeWeights } from './split-describe.ts'
import { factorInverse } from './split-factor.ts'
import { fitSteps, sweepColumns } from './split-feedback.ts'
import { accumulateGram, traceThroughGram } from './split-gram.ts'
import { groupLosses } from './split-group-losses.ts'
import { dequantizeInt8Rows, quantizeInt8Rows } from './split-int8-rows.ts'
import { dequantizeKMeans, quantizeKMeans } from './split-k-means.ts'
import { compareGgml, quantizeStored, quantizeStoredAffine } from './split-measured.ts'
import { accumulateProduct } from './split-product.ts'
import { dequantizeRealAffine, quantizeRealAffine } from './split-real-affine.ts'
import { addSums, noSums } from './weight-sums.ts'

const freshMemory: ResultMemory = { take: (bytes) => new Uint8Array(bytes) }

/** The operations of `Kernels` over any executor: inputs are checked here, cut into pieces, and the results joined. */
export function createSplitKernels(executor: KernelExecutor, memory = freshMemory): Kernels {
  return {
    backend: executor.backend,
    threads: executor.threads,
    quantizeAffine: (input, params, signal) => quantizeAffine(executor, { input, params, memory }, signal),
    dequantizeAffine: (tensor, signal) => dequantizeAffine(executor, tensor, signal),
    quantizeRealAffine: (input, fit, signal) => quantizeRealAffine(executor, { input, fit }, signal),
    dequantizeRealAffine: (tensor, signal) => dequantizeRealAffine(executor, tensor, signal),
    quantizeKMeans: (input, params, { importance = null } = {}, signal) => quantizeKMeans(executor, { input, params, importance }, signal),
    dequantizeKMeans: (tensor, signal) => dequantizeKMeans(executor, tensor, signal),
    quantizeGgml: (input, type, { importance = null } = {}, signal) => quantizeGgml(executor, { input, type, importance, memory }, signal),
    quantizeStored: (source, type, signal) => quantizeStored(executor, { source, type, memory }, signal),
    quantizeStoredAffine: (source, params, signal) => quantizeStoredAffine(executor, { source, params, memory }, signal),
    dequantizeGgml: (blocks, shape, type, signal) => dequantizeGgml(executor, { blocks, shape, type }, signal),
    quantizeCodeBook: (input, params, signal) => quantizeCodeBook(executor, { input, params }, signal),
    dequantizeCodeBook: (tensor, signal) => dequantizeCodeBook(executor, tensor, signal),
    quantizeInt8Rows: (input, signal) => quantizeInt8Rows(executor, input, signal),
    dequantizeInt8Rows: (tensor, signal) => dequantizeInt8Rows(executor, tensor, signal),
    compareWeights: (weight, approximation, signal) => compareWeights(executor, { weight, approximation }, signal),
    compareGgml: (weight, blocks, type, signal) => compareGgml(executor, { weight, blocks, type }, signal),
    accumulateGram: (gram, input, signal) => accumulateGram(executor, { gram, input }, signal),
    accumulateProduct: (sum, left, right, signal) => accumulateProduct(executor, { sum, left, right }, signal),
    traceThroughGram: (delta, gram, signal) => traceThroughGram(executor, { delta, gram }, signal),
    groupLosses: (delta, gram, span, signal) => groupLosses(executor, { delta, gram, span }, signal),
    factorInverse: (gram, options, signal) => factorInverse(executor, { gram, options }, signal),
    fitSteps: (input, group, rule, signal) => fitSteps(executor, { input, group, rule }, signal),
    sweepColumns: (input, options, signal) => sweepColumns(executor, { input, options }, signal),
    descendCodes: (input, options, signal) => descendCodes(executor, { input, options }, signal),
    describeWeights: (input, bins, signal) => describeWeights(executor, { input, bins }, signal),
    accumulateLogits: (state, tile, signal) => accumulateLogits(executor, { state, tile }, signal),
    into: (other) => createSplitKernels(executor, other),
    close: () => executor.close(),
  }
}

async function quantizeGgml(
  executor: KernelExecutor,
  { input, type, importance, memory }: { input: Matrix; type: GgmlType; importance: Float32Array | null; memory: ResultMemory },
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  throwIfAborted(signal)
  requireBlocks(input, type)
  requireGgmlImportance(input, type, importance)
  requireLength('A matrix', input.data.length, input.rows * input.columns)
  const rowBytes = ggmlBytes(type, 1, input.columns)
  const blocks = memory.take(input.rows * rowBytes)
  await executor.each(
    'quantizeGgml',
    rowPieces(input.rows, input.columns * 4),
    {
      argumentsOf: (piece, cut) => [pieceOf(input, piece, cut), type, importance && cut(importance, 0, importance.length)],
      targetsOf: ({ start, end }) => ({ blocks: blocks.subarray(start * rowBytes, end * rowBytes) }),
    },
    signal,
  )
  return blocks
}

async function dequantizeGgml(
  executor: KernelExecutor,
  { blocks, shape, type }: { blocks: Uint8Array; shape: MatrixShape; type: GgmlType },
  signal: AbortSignal | undefined,
): Promise<Float32Array<ArrayBuffer>> {
  throwIfAborted(signal)
  requireBlocks(shape, type)
  requireLength(`A ${type} tensor`, blocks.length, ggmlBytes(type, shape.rows, shape.columns))
  const { rows, columns } = shape
  const rowBytes = ggmlBytes(type, 1, columns)
  const values = new Float32Array(rows * columns)
  await executor.each(
    'dequantizeGgml',
    rowPieces(rows, columns * 4),
    {
      argumentsOf: ({ start, end }, cut) => [cut(blocks, start * rowBytes, end * rowBytes), { rows: end - start, columns }, type],
      take: (part, { start }) => values.set(part, start * columns),
    },
    signal,
  )
  return values
}

async function compareWeights(
  executor: KernelExecutor,
  { weight, approximation }: { weight: Float32Array; approximation: Float32Array },
  signal: AbortSignal | undefined,
): Promise<WeightSums> {
  throwIfAborted(signal)
  requireLength('An approximation', approximation.length, weight.length)
  const pieces = rowPieces(weight.length, 4)
  const parts: WeightSums[] = []
  await executor.each(
    'compareWeights',
    pieces,
    {
      argumentsOf: ({ start, end }, cut) => [cut(weight, start, end), cut(approximation, start, end)],
      take: (part, _, index) => {
        parts[index] = part
      },
    },
    signal,
  )
  return parts.reduce(addSums, noSums)
}

const stateFields = [
  'floatMax',
  'floatSum',
  'recipeMax',
  'recipeSum',
  'weighted',
  'floatArgMax',
  'recipeArgMax',
  'floatTarget',
  'recipeTarget',
] as const satisfies readonly (keyof LogitState)[]

async function accumulateLogits(
  executor: KernelExecutor,
  { state, tile }: { state: LogitState; tile: LogitTile },
  signal: AbortSignal | undefined,
): Promise<LogitState> {
  throwIfAborted(signal)
  const { tokens, width, vocabStart } = tile
  requireLength('A tile of float logits', tile.float.length, tokens * width)
  requireLength('A tile of recipe logits', tile.recipe.length, tokens * width)
  requireLength('A list of targets', tile.targets.length, tokens)
  for (const field of stateFields) requireLength(`The running ${field}`, state[field].length, tokens)
  const next: LogitState = {
    floatMax: new Float64Array(tokens),
    floatSum: new Float64Array(tokens),
    recipeMax: new Float64Array(tokens),
    recipeSum: new Float64Array(tokens),
    weighted: new Float64Array(tokens),
    floatArgMax: new Int32Array(tokens),
    recipeArgMax: new Int32Array(tokens),
    floatTarget: new Float64Array(tokens),
    recipeTarget: new Float64Array(tokens),
  }
  await executor.each(
    'accumulateLogits',
    rowPieces(tokens, width * 4),
    {
      argumentsOf: ({ start, end }, cut) => [
        {
          floatMax: cut(state.floatMax, start, end),
          floatSum: cut(state.floatSum, start, end),
          recipeMax: cut(state.recipeMax, start, end),
          recipeSum: cut(state.recipeSum, start, end),
          weighted: cut(state.weighted, start, end),
          floatArgMax: cut(state.floatArgMax, start, end),
          recipeArgMax: cut(state.recipeArgMax, start, end),
          floatTarget: cut(state.floatTarget, start, end),
          recipeTarget: cut(state.recipeTarget, start, end),
        },
        {
          float: cut(tile.float, start * width, end * width),
          recipe: cut(tile.recipe, start * width, end * width),
          tokens: end - start,
          vocabStart,
          width,
          targets: cut(tile.targets, start, end),
        },
      ],
      take: (part, { start }) => {
        for (const field of stateFields) next[field].set(part[field], start)
      },
    },
    signal,
  )
  return next
}
