import type { Checkpoint } from '../checkpoint/checkpoint.ts'
import { bytesPerElement } from '../core/dtype.ts'
import type { Support } from '../core/support.ts'
import { defaultExportOptions } from '../export/options.ts'
import { type ExportFacts, type ExportTarget, sizeOf } from '../export/target.ts'
import { summarize } from '../quantization/parse-recipe.ts'
import type { Recipe } from '../quantization/recipe.ts'
import { roundings, transforms } from '../quantization/registry.ts'
import { encodedBits, type ResolvedTensor, resolveTensors } from '../quantization/resolve.ts'
import { isInputRounded } from './activation-modes.ts'
import { changesBlocks, learningOf, tokensOfRecipe } from './learning.ts'
import { memoryParts } from './memory-bound.ts'
import type { Plan, PlanIssue, RecipePlan } from './plan.ts'
import type { PlanFacts } from './plan-facts.ts'
import { planIssues } from './plan-issues.ts'
import { changedTensors, offsetsInPlace, plannedExport } from './planned-export.ts'
import { storedBytes } from './stored-tensor.ts'
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
    hasCrossTerm: request.recipes.some((recipe) => learningOf(recipe).hasCrossTerm),
    isInputRounded: request.recipes.some(
      (recipe, index) =>
        roundsInputs(recipe) || isInputRounded(checkpoint.graph, resolved[index] ?? new Map(), request.evaluation?.inputs ?? 'float'),
    ),
    isTransformed: request.recipes.some((recipe) => changesBlocks(checkpoint.graph, recipe)),
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

/** Every block has the shapes of the first. */
function roundingBytes({ checkpoint, request, threads }: PlanFacts): number {
  const linears = checkpoint.graph.blocks[0]?.linears ?? []
  const costs = request.recipes.flatMap(({ rounding }) => {
    const member = roundings.get(rounding.kind)
    const settings = member.parse(rounding)
    return linears.map(
      ({ outFeatures, inFeatures }) => member.workBytes?.({ rows: outFeatures, columns: inFeatures }, threads, settings) ?? 0,
    )
  })
  return Math.max(0, ...costs)
}

function wholeIssues(findings: readonly Omit<PlanIssue, 'recipeId'>[]): PlanIssue[] {
  return findings.map((finding) => ({ ...finding, recipeId: null }))
}

function planRecipe(facts: PlanFacts, recipe: Recipe, resolved: ReadonlyMap<string, ResolvedTensor>): RecipePlan {
  const { checkpoint } = facts
  const exportFacts = plannedExport(facts, recipe, resolved)
  const targets = facts.targets.map((target) => {
    const made = writable(target, exportFacts)
    const notes = made.support === true ? target.notes(exportFacts) : []
    const options = (target.options ?? []).map(({ id, values }) => ({
      id,
      values: values.map((value) => {
        const chosen = { ...exportFacts, options: { ...defaultExportOptions, chosen: { [id]: value } } }
        return { value, ...writable(target, chosen) }
      }),
    }))
    return { id: target.id, ...made, notes, options }
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

function writable(target: ExportTarget, facts: ExportFacts): { readonly support: Support; readonly bytes: number } {
  const support = target.supports(facts)
  return { support, bytes: support === true ? sizeOf(target.layout(facts)) : 0 }
}

/** Bytes of a model that no format can hold: its matrices packed tightly, everything else as in the checkpoint. */
function packedBytes(checkpoint: Checkpoint, resolved: ReadonlyMap<string, ResolvedTensor>): number {
  let bits = 8 * checkpoint.sourceBytes
  for (const tensor of resolved.values()) {
    // A head that parted from its embedding is new.
    const before = checkpoint.tensors.has(tensor.name) ? sourceBits(checkpoint, tensor) : 0
    if (tensor.encoding.encoding !== 'source') bits += encodedBits(tensor, tensor.encoding) - before
    else if (before === 0) bits += sourceBits(checkpoint, tensor)
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

/**
 * Tensors of every recipe, two generations of hidden states, and the journal's small files. A run that only quantizes keeps room in its
 * model files for what an export writes to them.
 */
function plannedStorage(facts: PlanFacts, resolved: readonly ReadonlyMap<string, ResolvedTensor>[]): number {
  const { checkpoint, request } = facts
  const { hidden, layers } = checkpoint.graph.config
  const tokens = streamTokens(facts)
  let tensors = 0
  for (const [index, recipe] of request.recipes.entries()) {
    const matrices = resolved[index] ?? new Map<string, ResolvedTensor>()
    for (const { shape } of changedTensors(checkpoint, recipe, matrices))
      tensors += 4 * shape.reduce((product, extent) => product * extent, 1)
    const offsets = tokens > 0 ? null : offsetsInPlace(plannedExport(facts, recipe, matrices), facts.targets)
    let modelFileEnd = 0
    for (const { name, rows, columns, encoding } of matrices.values()) {
      if (encoding.encoding === 'source') continue
      const bytes = storedBytes(rows, columns, encoding)
      const offset = offsets?.get(name)
      if (offset === undefined) tensors += bytes
      else modelFileEnd = Math.max(modelFileEnd, offset + bytes)
    }
    tensors += modelFileEnd
  }
  const states = 2 * 4 * hidden * tokens
  return request.recipes.length === 0 ? 0 : tensors + states + journalBytes * (layers + 1) * (1 + request.recipes.length)
}

/** Results and tensor index of one block of one recipe as JSON: 7 linears of about 700 bytes, rounded up. */
const journalBytes = 8192
