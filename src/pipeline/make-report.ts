import type { Checkpoint } from '../checkpoint/checkpoint.ts'
import { joinScores, likelihoodFigures, recipeFigures, scoreTokens, type TokenScores } from '../evaluation/figures.ts'
import type { WindowSet } from '../evaluation/windows.ts'
import type { StoredPart } from './journal.ts'
import type { Plan, RunRequest } from './plan.ts'
import type { QuantizedReport, RunReport } from './report.ts'
import type { WalkResult } from './walk.ts'

export interface ReportFacts {
  readonly checkpoint: Checkpoint
  readonly request: RunRequest
  readonly plan: Plan
  /** `null` when the run only quantized. */
  readonly windowSet: WindowSet | null
  readonly calibration: RunReport['calibration']
  readonly importance: RunReport['importance']
  readonly versions: RunReport['studio']
  readonly createdAt: string
}

/** Turns the sums of a walk into the report: the same whether the walk was resumed or not. Pure. */
export function makeReport(facts: ReportFacts, walk: WalkResult): RunReport {
  const { checkpoint, request, plan, windowSet } = facts
  const quantized = request.recipes.map((recipe, index): QuantizedReport => {
    const sizes = plan.recipes[index]
    const parts = partsOf(walk, recipe.id)
    return {
      id: recipe.id,
      recipe,
      bitsPerWeight: sizes?.bitsPerWeight ?? Number.NaN,
      blockBitsPerWeight: sizes?.blockBitsPerWeight ?? Number.NaN,
      bytes: sizes?.bytes ?? 0,
      bytesOf: sizes?.bytesOf ?? 'stored',
      layers: parts.flatMap((part) => part.layers),
      artifacts: [],
      backend: backendOf(walk),
      seconds: parts.reduce((sum, part) => sum + part.seconds, 0) + (walk.head.seconds[index] ?? 0),
    }
  })
  const run = {
    studio: facts.versions,
    createdAt: facts.createdAt,
    planHash: plan.hash,
    seed: request.seed,
    model: {
      name: checkpoint.name,
      family: checkpoint.family.id,
      architecture: checkpoint.graph.architecture,
      parameters: checkpoint.parameters,
      sourceBytes: checkpoint.sourceBytes,
      fingerprint: checkpoint.origin.fingerprint,
    },
    calibration: facts.calibration,
    importance: facts.importance,
    seconds: walk.seconds,
  }
  if (request.evaluation === null || windowSet === null) return { ...run, evaluation: null, recipes: quantized }
  const { protocol, contextLength, textName, inputs } = request.evaluation
  const scores = walk.head.states.map((states) => scoresOf(states))
  const float = likelihoodFigures(scores[0]?.floatNll ?? new Float64Array(0))
  return {
    ...run,
    evaluation: { protocol, contextLength, textName, inputs, tokens: windowSet.scoredTokens, float },
    recipes: quantized.map((recipe, index) => ({
      ...recipe,
      ...recipeFigures(scores[index] ?? joinScores([]), windowSet.scoredPerWindow),
    })),
  }
}

/** What a recipe stored, over embedding, blocks and head. */
export function partsOf(walk: Pick<WalkResult, 'blocks' | 'head'>, recipeId: string): StoredPart[] {
  return [...walk.blocks.flatMap((block) => block.parts), ...walk.head.parts].filter((part) => part.recipeId === recipeId)
}

/** Every chunk holds scored positions alone, so each has a target. */
function scoresOf(states: WalkResult['head']['states'][number]): TokenScores {
  return joinScores(states.map((state) => scoreTokens(state, new Int32Array(state.floatMax.length))))
}

/** `kernels wasm x2, forward wasm x2`; with the blocks, when they ran in more than one place. */
function backendOf(walk: WalkResult): string {
  const blocks = walk.blocks.slice(1)
  const kernels = placesOf([...blocks.map((block) => block.kernelBackend), walk.headKernelBackend])
  const forward = placesOf([...blocks.map((block) => block.forwardBackend), walk.headBackend])
  return forward === 'none' ? `kernels ${kernels}` : `kernels ${kernels}, forward ${forward}`
}

/** Backends of the blocks and, last, of the head, each with where it was used unless all are one. */
function placesOf(backends: readonly string[]): string {
  const head = backends.length - 1
  const used = [...new Set(backends)]
  if (used.length === 1) return used.join('')
  const places = used.map((backend) => {
    const blocks = backends.flatMap((other, index) => (other === backend && index !== head ? [index] : []))
    const where = [
      ...(blocks.length > 0 ? [`blocks ${String(blocks[0])} to ${String(blocks.at(-1))}`] : []),
      ...(backends[head] === backend ? ['head'] : []),
    ]
    return `${backend} (${where.join(', ')})`
  })
  return places.join(' and ')
}
