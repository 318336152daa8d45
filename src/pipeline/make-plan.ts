import type { Checkpoint } from '../checkpoint/checkpoint.ts'
import { bytesPerElement } from '../core/dtype.ts'
import { defaultExportOptions } from '../export/options.ts'
import type { ExportFacts } from '../export/target.ts'
import type { TensorSpec } from '../models/model-graph.ts'
import { summarize } from '../quantization/parse-recipe.ts'
import type { Recipe } from '../quantization/recipe.ts'
import { roundings, transforms } from '../quantization/registry.ts'
import { changedFloats, encodedBits, encodingsOf, type ResolvedTensor, resolveTensors } from '../quantization/resolve.ts'
import { isInputRounded, plannedInputModes } from './activation-modes.ts'
import { learningOf, tokensOfRecipe } from './learning.ts'
import { memoryParts } from './memory-bound.ts'
import type { Plan, PlanIssue, RecipePlan } from './plan.ts'
import type { PlanFacts } from './plan-facts.ts'
import { planIssues } from './plan-issues.ts'
import { storedBytes } from './stored-tensor.ts'
import { calibrationSummary, importanceSummary } from './texts.ts'
import { largestTileBytes } from './tiles.ts'
import { walkWork } from './walk-context.ts'

/** Everything known before the first weight is read. Pure. */
export function makePlan(facts: PlanFacts): Plan {
  const { checkpoint, request, texts } = facts
  const resolved = request.recipes.map((recipe) => resolveTensors(checkpoint.graph, recipe))
  const recipes = request.recipes.map((recipe, index) => planRecipe(facts, recipe, resolved[index] ?? new Map()))
  const parts = memoryParts(checkpoint.graph, {
    streamTokens: streamTokens(facts),
    scoredTokens: texts.scoredTokens,
    contextLength: Math.max(request.evaluation?.contextLength ?? 0, request.calibration?.contextLength ?? 0),
    recipes: request.recipes.length,
    ownGrams: ownGrams(request.recipes),
    isInputRounded: request.recipes.some(
      (recipe, index) => roundsInputs(recipe) || isInputRounded(checkpoint.graph, resolved[index] ?? new Map()),
    ),
    isTransformed: request.recipes.some((recipe) => learningOf(recipe).transformNeedsInputs),
    roundingBytes: roundingBytes(facts),
    threads: facts.threads,
    memoryLimitBytes: facts.memoryLimitBytes,
    tileBytes: largestTileBytes(resolved),
  })
  const peakMemoryBytes = parts.reduce((sum, part) => sum + part.bytes, 0)
  const storageBytes = plannedStorage(facts, resolved)
  const tokens = { evaluation: texts.evaluationTokens, calibration: texts.calibrationTokens, scored: texts.scoredTokens }
  const work = walkWork(checkpoint, tokens, request.recipes)
  const operations = checkpoint.graph.config.layers * work.block + work.head
  return {
    hash: facts.hash,
    recipes,
    peakMemoryBytes,
    memoryParts: parts,
    storageBytes,
    freeStorageBytes: facts.freeStorageBytes,
    evaluationTokens: texts.evaluationTokens,
    scoredTokens: texts.scoredTokens,
    calibrationTokens: texts.calibrationTokens,
    calibrationCoverage: texts.calibrationTokens === 0 ? null : texts.calibrationCoverage,
    seconds: facts.rates.map(({ backend, operationsPerSecond }) => ({
      backend,
      // A run without forward passes takes no time by this measure, and a real one by the clock.
      seconds: operationsPerSecond === null || operations === 0 ? null : operations / operationsPerSecond,
    })),
    issues: [
      ...wholeIssues([...texts.findings, ...facts.loaded.findings]),
      ...planIssues({ facts, recipes, resolved, peakMemoryBytes, storageBytes }),
    ],
  }
}

/** Tokens whose hidden states are kept between two blocks, over the float model and every recipe. */
function streamTokens({ texts, request }: PlanFacts): number {
  const tokens = { evaluation: texts.evaluationTokens, calibration: texts.calibrationTokens }
  return request.recipes.reduce((sum, recipe) => sum + tokensOfRecipe(recipe, tokens), tokens.evaluation + tokens.calibration)
}

function ownGrams(recipes: readonly Recipe[]): 'none' | 'one' | 'all' {
  const own = recipes.map(learningOf).filter(({ from }) => from === 'own')
  if (own.length === 0) return 'none'
  return own.every(({ isTrueSequential }) => isTrueSequential) ? 'one' : 'all'
}

function roundsInputs({ transform }: Recipe): boolean {
  const member = transforms.get(transform.kind)
  return member.roundsInputs(member.parse(transform))
}

/** Tensors of all blocks that a run stores in f32 because the recipe's transform may change them. */
function changedTensors(checkpoint: Checkpoint, recipe: Recipe, resolved: ReadonlyMap<string, ResolvedTensor>): TensorSpec[] {
  return checkpoint.graph.blocks.flatMap((block) => changedFloats(block, recipe, resolved))
}

/** Every block has the shapes of the first. */
function roundingBytes({ checkpoint, request, threads }: PlanFacts): number {
  const linears = checkpoint.graph.blocks[0]?.linears ?? []
  const members = request.recipes.map((recipe) => roundings.get(recipe.rounding.kind))
  const costs = members.flatMap((member) =>
    linears.map(({ outFeatures, inFeatures }) => member.workBytes?.({ rows: outFeatures, columns: inFeatures }, threads) ?? 0),
  )
  return Math.max(0, ...costs)
}

function wholeIssues(findings: readonly Omit<PlanIssue, 'recipeId'>[]): PlanIssue[] {
  return findings.map((finding) => ({ ...finding, recipeId: null }))
}

function planRecipe(facts: PlanFacts, recipe: Recipe, resolved: ReadonlyMap<string, ResolvedTensor>): RecipePlan {
  const { checkpoint } = facts
  const importance = importanceSummary(facts.loaded.importance, calibrationSummary(facts.request, facts.texts), checkpoint.graph)
  const encodings = encodingsOf(resolved, changedTensors(checkpoint, recipe, resolved))
  const inputModes = plannedInputModes(checkpoint.graph, recipe, resolved)
  const exportFacts: ExportFacts = { checkpoint, recipe, options: defaultExportOptions, encodings, inputModes, importance }
  const targets = facts.targets.map((target) => {
    const support = target.supports(exportFacts)
    const bytes = support === true ? target.layout(exportFacts).reduce((sum, file) => sum + file.sizeBytes, 0) : 0
    return { id: target.id, support, bytes, notes: support === true ? target.notes(exportFacts) : [] }
  })
  const first = targets.find((target) => target.support === true)
  const bytes = first?.bytes ?? packedBytes(checkpoint, resolved)
  return {
    recipeId: recipe.id,
    bytes,
    bytesOf: first?.id ?? 'stored',
    bitsPerWeight: (8 * bytes) / checkpoint.parameters,
    blockBitsPerWeight: blockBits(checkpoint, resolved),
    targets,
    summary: summarize(recipe),
  }
}

/** Bytes of a model that no format can hold: its matrices packed tightly, everything else as in the checkpoint. */
function packedBytes(checkpoint: Checkpoint, resolved: ReadonlyMap<string, ResolvedTensor>): number {
  let bits = 8 * checkpoint.sourceBytes
  for (const tensor of resolved.values()) {
    if (tensor.encoding.encoding !== 'source') bits += encodedBits(tensor, tensor.encoding) - sourceBits(checkpoint, tensor)
  }
  return Math.ceil(bits / 8)
}

function blockBits(checkpoint: Checkpoint, resolved: ReadonlyMap<string, ResolvedTensor>): number {
  let bits = 0
  let weights = 0
  for (const tensor of resolved.values()) {
    if (tensor.block < 0) continue
    weights += tensor.rows * tensor.columns
    bits += tensor.encoding.encoding === 'source' ? sourceBits(checkpoint, tensor) : encodedBits(tensor, tensor.encoding)
  }
  return bits / weights
}

function sourceBits(checkpoint: Checkpoint, tensor: ResolvedTensor): number {
  const dtype = checkpoint.tensors.get(tensor.name)?.dtype ?? 'F32'
  return 8 * bytesPerElement[dtype] * tensor.rows * tensor.columns
}

/** Tensors of every recipe, two generations of hidden states, and the journal's small files. */
function plannedStorage(facts: PlanFacts, resolved: readonly ReadonlyMap<string, ResolvedTensor>[]): number {
  const { checkpoint, request } = facts
  const { hidden, layers } = checkpoint.graph.config
  let tensors = 0
  for (const [index, recipe] of request.recipes.entries()) {
    const matrices = resolved[index] ?? new Map<string, ResolvedTensor>()
    for (const { shape } of changedTensors(checkpoint, recipe, matrices))
      tensors += 4 * shape.reduce((product, extent) => product * extent, 1)
    for (const tensor of matrices.values()) {
      if (tensor.encoding.encoding !== 'source') tensors += storedBytes(tensor.rows, tensor.columns, tensor.encoding)
    }
  }
  const states = 2 * 4 * hidden * streamTokens(facts)
  return request.recipes.length === 0 ? 0 : tensors + states + journalBytes * (layers + 1) * (1 + request.recipes.length)
}

/** Results and tensor index of one block of one recipe as JSON: 7 linears of about 700 bytes, rounded up. */
const journalBytes = 8192
