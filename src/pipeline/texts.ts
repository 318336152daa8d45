import { calibrationWindows } from '../calibration/windows.ts'
import { StudioError } from '../core/errors.ts'
import { makeWindows, targetsOf, type WindowSet } from '../evaluation/windows.ts'
import type { ModelGraph } from '../models/model-graph.ts'
import type { CalibrationSummary, ImportanceSummary } from '../quantization/calibration-summary.ts'
import type { Tokenizer } from '../runtime/tokenizer.ts'
import type { TokenWindow } from './batches.ts'
import type { Importance } from './importance.ts'
import { learningOf, learnsFromText } from './learning.ts'
import type { EvaluationSettings, PlanIssue, RunRequest } from './plan.ts'

/** Tokens whose activations make G when no calibration text is given; more changes the layer errors in the third digit. */
export const gramTokensOfEvaluation = 4096
/** The texts of a request as token windows, and what is wrong with them. */
export interface PreparedTexts {
  /** `null` when nothing is measured, or when the text cannot be measured on; `findings` says why. */
  readonly windowSet: WindowSet | null
  readonly evaluation: readonly TokenWindow[]
  readonly calibration: readonly TokenWindow[]
  readonly gramTokens: number
  readonly evaluationTokens: number
  readonly scoredTokens: number
  readonly calibrationTokens: number
  readonly findings: readonly Omit<PlanIssue, 'recipeId'>[]
}

/** Tokenises and cuts. Pure but for the tokenizer's caches; a text that does not do becomes a finding, not a fault. */
export function prepareTexts(request: RunRequest, tokenizer: Tokenizer): PreparedTexts {
  const findings: Omit<PlanIssue, 'recipeId'>[] = []
  const { evaluation: settings } = request
  const windowSet = settings === null ? null : attempt(findings, () => evaluationWindows(settings, tokenizer))
  const evaluation = windowSet?.windows.map((ids) => ({ ids, targets: targetsOf(windowSet, ids) })) ?? []
  const calibration = needsCalibration(request) ? (attempt(findings, () => calibrationSet(request, tokenizer)) ?? []) : []
  const shared = sharedLines(request)
  if (shared > 0) {
    findings.push({
      severity: 'warning',
      title: 'Calibration and evaluation text overlap',
      text: `${Math.ceil(100 * shared)} % of the calibration text's lines are in the evaluation text, so results look better than they are.`,
      remedy: 'Use another text for one of the two.',
    })
  }
  const calibrationTokens = calibration.reduce((sum, { ids }) => sum + ids.length, 0)
  const evaluationTokens = windowSet?.tokens ?? 0
  return {
    windowSet,
    evaluation,
    calibration,
    gramTokens: calibration.length > 0 ? calibrationTokens : Math.min(gramTokensOfEvaluation, evaluationTokens),
    evaluationTokens,
    scoredTokens: windowSet?.scoredTokens ?? 0,
    calibrationTokens,
    findings,
  }
}

/** `null` without a calibration text, or with one that cannot be used. */
export function calibrationSummary(request: RunRequest, texts: PreparedTexts): CalibrationSummary | null {
  if (request.calibration === null || texts.calibration.length === 0) return null
  const { textName, contextLength } = request.calibration
  return { textName, windows: texts.calibration.length, contextLength, tokens: texts.calibrationTokens }
}

/** Where importance comes from for recipes that use it; `null` when nothing was given to learn it from. */
export function importanceSummary(
  importance: Importance | null,
  calibration: CalibrationSummary | null,
  graph: ModelGraph,
): ImportanceSummary | null {
  if (importance !== null) return importance.summary
  if (calibration === null) return null
  const entries = graph.blocks.reduce((sum, block) => sum + block.linears.length, 0)
  return { fileName: 'measured while quantizing', dataset: calibration.textName, chunks: calibration.windows, entries }
}

/** With an evaluation the calibration text weighs the layer errors; without one only recipes that learn read it. */
function needsCalibration({ evaluation, recipes, importance }: RunRequest): boolean {
  return evaluation !== null || recipes.some((recipe) => learnsFromText(learningOf(recipe), importance !== null))
}

function evaluationWindows(settings: EvaluationSettings, tokenizer: Tokenizer): WindowSet {
  const { text, protocol, contextLength, maxTokens } = settings
  return makeWindows(tokenizer.encode(text), { protocol, contextLength, maxTokens, bos: tokenizer.bosTokenId })
}

function calibrationSet(request: RunRequest, tokenizer: Tokenizer): TokenWindow[] {
  if (request.calibration === null) return []
  const { text, maxTokens, contextLength } = request.calibration
  const options = { contextLength, maxTokens, bos: tokenizer.bosTokenId, seed: request.seed }
  return calibrationWindows(tokenizer.encode(text), options).map((ids) => ({ ids, targets: new Int32Array(ids.length).fill(-1) }))
}

function attempt<T>(findings: Omit<PlanIssue, 'recipeId'>[], run: () => T): T | null {
  try {
    return run()
  } catch (error) {
    if (!(error instanceof StudioError) || (error.code !== 'text-too-short' && error.code !== 'usage')) throw error
    findings.push({ severity: 'error', title: error.title, text: error.message, remedy: error.remedy })
    return null
  }
}

/** Share of the calibration text's lines (of some length, since short lines repeat by chance) that the evaluation text has too. */
function sharedLines(request: RunRequest): number {
  if (request.calibration === null || request.evaluation === null) return 0
  const lines = (text: string): string[] =>
    text
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line.length >= 40)
  const evaluation = new Set(lines(request.evaluation.text))
  const calibration = lines(request.calibration.text)
  return calibration.length === 0 ? 0 : calibration.filter((line) => evaluation.has(line)).length / calibration.length
}
