import { distinctTokens, sharedRuns } from '../calibration/coverage.ts'
import { plainText } from '../calibration/documents.ts'
import { calibrationWindows, conversationWindows } from '../calibration/windows.ts'
import type { TokenizerFiles } from '../checkpoint/checkpoint.ts'
import { StudioError } from '../core/errors.ts'
import { notableOverlap } from '../core/notable-overlap.ts'
import { makeWindows, targetsOf, type WindowSet } from '../evaluation/windows.ts'
import type { ModelGraph } from '../models/model-graph.ts'
import type { CalibrationSummary, ImportanceSummary } from '../quantization/calibration-summary.ts'
import type { Tokenizer } from '../runtime/tokenizer.ts'
import type { TokenWindow } from './batches.ts'
import type { chatTokens } from './chat-tokens.ts'
import type { Importance } from './importance.ts'
import { changesBlocks, learningOf, learnsFromText } from './learning.ts'
import type { EvaluationSettings, PlanIssue, RunRequest } from './plan.ts'

/** Tokens whose activations make G when no calibration text is given; more changes the layer errors in the third digit. */
export const gramTokensOfEvaluation = 4096
export interface TokenCoverage {
  readonly distinct: number
  readonly vocabulary: number
}

/** Where the tokens of a text come from: an open model. */
export interface TextReader {
  readonly tokenizer: Tokenizer
  readonly checkpoint: { readonly graph: ModelGraph; readonly tokenizerFiles: TokenizerFiles }
  /** Needed for requests with a chat template; apart, because its interpreter is only fetched by those who use it. */
  readonly chatTokens?: typeof chatTokens
}

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
  /** Different ids among the calibration tokens, of how many there are. */
  readonly calibrationCoverage: TokenCoverage
  /** Share of the calibration tokens that the evaluation text has too. */
  readonly sharedWithEvaluation: number
  readonly findings: readonly Omit<PlanIssue, 'recipeId'>[]
}

/** Tokenises and cuts. Pure but for caches of tokens; a text that does not do becomes a finding, not a fault. */
export function prepareTexts(request: RunRequest, reader: TextReader): PreparedTexts {
  const findings: Omit<PlanIssue, 'recipeId'>[] = []
  const { evaluation: settings } = request
  const { tokenizer, checkpoint } = reader
  const windowSet = settings === null ? null : attempt(findings, () => evaluationWindows(settings, tokenizer))
  const evaluation = windowSet?.windows.map((ids) => ({ ids, targets: targetsOf(windowSet, ids) })) ?? []
  const calibration = needsCalibration(request, checkpoint.graph) ? (attempt(findings, () => calibrationSet(request, reader)) ?? []) : []
  const calibrationIds = calibration.map(({ ids }) => ids)
  const shared =
    windowSet === null || settings === null ? 0 : sharedRuns(calibrationIds, windowSet.windows, runOptions(settings.text, tokenizer))
  if (shared >= notableOverlap) {
    findings.push({
      severity: 'warning',
      title: 'Calibration and evaluation text overlap',
      text: `${Math.ceil(100 * shared)} % of what is calibrated on is in the evaluation text too, so results look better than they are.`,
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
    calibrationCoverage: { distinct: distinctTokens(calibrationIds), vocabulary: tokenizer.vocabularySize },
    sharedWithEvaluation: shared,
    findings,
  }
}

/** `null` without a calibration text, or with one that cannot be used. */
export function calibrationSummary(request: RunRequest, texts: PreparedTexts): CalibrationSummary | null {
  if (request.calibration === null || texts.calibration.length === 0) return null
  const { textName, contextLength, usesChatTemplate } = request.calibration
  const { distinct, vocabulary } = texts.calibrationCoverage
  return {
    textName,
    windows: texts.calibration.length,
    contextLength,
    tokens: texts.calibrationTokens,
    distinctTokens: distinct,
    vocabulary,
    usesChatTemplate,
    sharedWithEvaluation: texts.sharedWithEvaluation,
  }
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

/**
 * With an evaluation the calibration text weighs the layer errors; without one it is read for recipes that learn, and for those that
 * change whole blocks: where no text goes through the model, only rows of single matrices are held.
 */
function needsCalibration({ evaluation, recipes, importance }: RunRequest, graph: ModelGraph): boolean {
  if (evaluation !== null) return true
  return recipes.some((recipe) => learnsFromText(learningOf(recipe), importance !== null) || changesBlocks(graph, recipe))
}

function runOptions(text: string, tokenizer: Tokenizer): { readonly bos: number | null; readonly tokenCharacters: number } {
  const plain = plainText(text)
  return { bos: tokenizer.bosTokenId, tokenCharacters: Math.max(1, plain.length / tokenizer.encode(plain).length) }
}

function evaluationWindows(settings: EvaluationSettings, tokenizer: Tokenizer): WindowSet {
  const { text, protocol, contextLength, maxTokens } = settings
  return makeWindows(tokenizer.encode(plainText(text)), { protocol, contextLength, maxTokens, bos: tokenizer.bosTokenId })
}

function calibrationSet(request: RunRequest, { tokenizer, checkpoint, chatTokens }: TextReader): TokenWindow[] {
  if (request.calibration === null) return []
  const { text, maxTokens, contextLength, usesChatTemplate } = request.calibration
  if (usesChatTemplate && chatTokens === undefined) throw new RangeError('a chat template needs its interpreter')
  const options = { contextLength, maxTokens, seed: request.seed }
  const windows =
    usesChatTemplate && chatTokens !== undefined
      ? conversationWindows(chatTokens(text, tokenizer, checkpoint.tokenizerFiles), options)
      : calibrationWindows(tokenizer.encode(plainText(text)), { ...options, bos: tokenizer.bosTokenId })
  return windows.map((ids) => ({ ids, targets: new Int32Array(ids.length).fill(-1) }))
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
