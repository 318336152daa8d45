import type { Checkpoint } from '../checkpoint/checkpoint.ts'
import { StudioError } from '../core/errors.ts'
import { exportTargets } from '../export/registry.ts'
import type { FileStore } from '../io/file-store.ts'
import type { Kernels } from '../kernels/contract/kernels.ts'
import { resolveTensors } from '../quantization/resolve.ts'
import type { Tokenizer } from '../runtime/tokenizer.ts'
import type { EngineSupply } from './engine-supply.ts'
import type { RunEvent } from './events.ts'
import { type LoadedImportance, loadImportance } from './importance.ts'
import { runFolder } from './journal.ts'
import { makePlan } from './make-plan.ts'
import { makeReport, partsOf } from './make-report.ts'
import { hiddenShare } from './memory-bound.ts'
import type { Plan, RunRequest } from './plan.ts'
import type { PlanFacts } from './plan-facts.ts'
import { planHash } from './plan-hash.ts'
import { offsetsInPlace, plannedExport } from './planned-export.ts'
import type { RunReport } from './report.ts'
import { intactResult, type RunResult, saveResult } from './run-result.ts'
import { calibrationSummary, importanceSummary, type PreparedTexts, prepareTexts } from './texts.ts'
import { runWalk } from './walk.ts'

/** A model ready to be planned and run. */
export interface OpenModel {
  readonly checkpoint: Checkpoint
  readonly tokenizer: Tokenizer
}

/** The machine a run happens on. */
export interface Machine {
  readonly store: FileStore
  readonly threads: number
  readonly memoryLimitBytes: number
  readonly rates: PlanFacts['rates']
}

/** Plans a request; the texts come along because a run needs them anyway. */
export async function planRun(
  model: OpenModel,
  request: RunRequest,
  machine: Machine,
): Promise<{ readonly plan: Plan; readonly texts: PreparedTexts; readonly loaded: LoadedImportance }> {
  const { checkpoint } = model
  const hash = await planHash(checkpoint.origin.fingerprint, request)
  const chat = request.calibration?.usesChatTemplate === true ? await import('./chat-tokens.ts') : {}
  const texts = prepareTexts(request, { ...model, ...chat })
  const loaded = await loadImportance(request, checkpoint)
  const held = await machine.store.list(runFolder(hash))
  const { freeBytes } = await machine.store.estimate()
  const plan = makePlan({
    checkpoint,
    request,
    hash,
    texts,
    loaded,
    targets: exportTargets,
    threads: machine.threads,
    memoryLimitBytes: machine.memoryLimitBytes,
    freeStorageBytes: freeBytes,
    heldStorageBytes: held.reduce((sum, file) => sum + file.sizeBytes, 0),
    rates: machine.rates,
  })
  return { plan, texts, loaded }
}

export interface RunTools {
  readonly kernels: Kernels
  readonly engines: EngineSupply
  readonly versions: RunReport['studio']
  readonly now: () => number
  readonly memoryBytes: () => number | null
}

/**
 * Plans, walks (or resumes) and reports. Throws the first error of the plan as `text-too-short`, `storage-full` or
 * `recipe-invalid`, and what the walk throws.
 */
export async function executeRun(
  scope: { readonly model: OpenModel; readonly request: RunRequest; readonly machine: Machine; readonly tools: RunTools },
  onEvent: (event: RunEvent) => void,
  signal: AbortSignal,
): Promise<RunReport> {
  const { model, request, machine, tools } = scope
  const { plan, texts, loaded } = await planRun(model, request, machine)
  const { windowSet } = texts
  refuse(plan, request)
  if (windowSet === null && request.evaluation !== null) throw new RangeError('a plan without errors has windows')
  const finished = await intactResult(machine.store, plan.hash)
  if (finished !== null) return tellFinished(finished, model.checkpoint.graph.blocks.length, onEvent)
  const planned = { checkpoint: model.checkpoint, request, texts, loaded }
  const offsets = request.recipes.map((recipe) =>
    offsetsInPlace(plannedExport(planned, recipe, resolveTensors(model.checkpoint.graph, recipe)), exportTargets),
  )
  const walk = await runWalk(
    {
      checkpoint: model.checkpoint,
      request,
      planHash: plan.hash,
      evaluation: texts.evaluation,
      calibration: texts.calibration,
      gramTokens: texts.gramTokens,
      importance: loaded.importance?.means ?? null,
      offsets,
      kernels: tools.kernels,
      engines: tools.engines,
      store: machine.store,
      hiddenBudgetBytes: hiddenShare * machine.memoryLimitBytes,
      now: tools.now,
      memoryBytes: tools.memoryBytes,
    },
    onEvent,
    signal,
  )
  const createdAt = new Date().toISOString()
  const calibration = calibrationSummary(request, texts)
  const importance = importanceSummary(loaded.importance, calibration, model.checkpoint.graph)
  const facts = { checkpoint: model.checkpoint, request, plan, windowSet, calibration, importance, versions: tools.versions, createdAt }
  const report = makeReport(facts, walk)
  const tensors = Object.fromEntries(request.recipes.map(({ id }) => [id, partsOf(walk, id).flatMap((part) => part.tensors)]))
  const modesOf = (id: string) => walk.blocks.slice(1).map((block) => block.parts.find(({ recipeId }) => recipeId === id)?.inputModes ?? {})
  const inputModes = Object.fromEntries(request.recipes.map(({ id }) => [id, modesOf(id)]))
  const squares = walk.blocks.flatMap((block) => (block.squares === null ? [] : [block.squares]))
  await saveResult(machine.store, { report, tensors, inputModes, squares })
  await machine.store.delete(`${runFolder(plan.hash)}/hidden`)
  onEvent({ kind: 'finished', report })
  return report
}

/** The same plan on the same model gives the same report, so a finished run is told again instead of repeated. */
function tellFinished({ report }: RunResult, blocks: number, onEvent: (event: RunEvent) => void): RunReport {
  onEvent({ kind: 'started', planHash: report.planHash, blocks, resumedBlocks: blocks })
  for (const { id, layers } of report.recipes) {
    for (const block of new Set(layers.map((layer) => layer.block))) {
      onEvent({ kind: 'layers', recipeId: id, block, layers: layers.filter((layer) => layer.block === block) })
    }
  }
  for (let block = 0; block < blocks; block++) onEvent({ kind: 'block-stored', block })
  onEvent({ kind: 'finished', report })
  return report
}

function refuse(plan: Plan, request: RunRequest): void {
  const issue = plan.issues.find(({ severity }) => severity === 'error')
  if (issue !== undefined) {
    const hasNoTokens = request.evaluation !== null && plan.evaluationTokens === 0
    const code = issue.recipeId !== null ? 'recipe-invalid' : hasNoTokens ? 'text-too-short' : 'usage'
    throw new StudioError(plan.storageBytes > plan.freeStorageBytes && code === 'usage' ? 'storage-full' : code, {
      title: issue.title,
      message: issue.recipeId === null ? issue.text : `${issue.recipeId}: ${issue.text}`,
      remedy: issue.remedy,
    })
  }
  if (request.recipes.length === 0) {
    const facts = { title: 'No recipe to run', message: 'The run has no recipe.', remedy: 'Add at least one recipe.' }
    throw new StudioError('usage', facts)
  }
}
