import { readFile, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { parseDatasetAddress } from '../checkpoint/dataset-address.ts'
import { toBase64 } from '../core/base64.ts'
import { StudioError } from '../core/errors.ts'
import { learningOf, learnsFromText } from '../pipeline/learning.ts'
import type { CalibrationSettings, EvaluationSettings, ImportanceSettings, RunRequest } from '../pipeline/plan.ts'
import { findRecipe } from '../quantization/presets.ts'
import type { Recipe } from '../quantization/recipe.ts'
import type { CliArguments } from './cli-arguments.ts'

/** What `--evaluation` takes for a run that only quantizes. */
const noEvaluation = 'none'
/** In front of the id of a data set. */
const hubPrefix = 'hub:'
const defaultContext = 256
const defaultCalibrationWindows = 32
/** A window takes the beginning of a conversation, so conversations must have more tokens than are wanted. */
const tokensForChat = 8

/** What the arguments name in files, read before anything is opened. */
export interface CliTexts {
  readonly recipes: readonly Recipe[]
  /** `null` when nothing is measured. */
  readonly evaluation: CliText | HubTextId | null
  /** `null` when no text is named and nothing is to be learnt. */
  readonly calibration: CliText | HubTextId | null
  readonly importance: ImportanceSettings | null
}

/** A text that is here. */
export interface CliText {
  readonly text: string
  readonly name: string
}

/** A text that is on the Hub: how much of it is wanted depends on the model. */
export interface HubTextId {
  readonly hubId: string
}

/** Fetches a text of the Hub. */
export type FetchHubText = (
  text: HubTextId,
  wanted: { readonly purpose: 'calibration' | 'evaluation'; readonly wantedTokens: number },
) => Promise<CliText>

/** Throws `file-missing`, `recipe-invalid`, and `usage` for a malformed id of a data set. `samples` is the folder of the bundled texts. */
export async function readTexts(args: CliArguments, samples: string): Promise<CliTexts> {
  const recipes = await Promise.all(args.recipes.map(readRecipe))
  const evaluation = await readEvaluation(args.evaluation, samples)
  const importance = args.imatrix === null ? null : { fileName: basename(args.imatrix), base64: toBase64(await readFileOf(args.imatrix)) }
  return { recipes, evaluation, calibration: await readCalibration(args, recipes, samples), importance }
}

async function readCalibration(args: CliArguments, recipes: readonly Recipe[], samples: string): Promise<CliTexts['calibration']> {
  if (args.calibration !== null) return readText(args.calibration)
  const needsText = recipes.some((recipe) => learnsFromText(learningOf(recipe), args.imatrix !== null))
  if (args.saveImatrix === null && !needsText) return null
  return { text: await readTextFile(join(samples, 'calibration.txt')), name: 'Bundled calibration text' }
}

async function readEvaluation(path: string | null, samples: string): Promise<CliTexts['evaluation']> {
  if (path === noEvaluation) return null
  if (path === null) return { text: await readTextFile(join(samples, 'evaluation.txt')), name: 'Bundled evaluation text' }
  return readText(path)
}

async function readText(path: string): Promise<CliText | HubTextId> {
  if (!path.startsWith(hubPrefix)) return { text: await readTextFile(path), name: basename(path) }
  const hubId = path.slice(hubPrefix.length)
  parseDatasetAddress(hubId)
  return { hubId }
}

/** `maxPositions`: what the model reads. Throws what `fetchHubText` throws. */
export async function makeRequest(
  args: CliArguments,
  texts: CliTexts,
  { maxPositions, fetchHubText }: { readonly maxPositions: number; readonly fetchHubText: FetchHubText },
): Promise<RunRequest> {
  const contextLength = args.context ?? Math.min(defaultContext, maxPositions)
  return {
    recipes: texts.recipes,
    evaluation: await evaluationOf(args, texts.evaluation, { contextLength, fetchHubText }),
    calibration: await calibrationOf(args, texts.calibration, { contextLength, fetchHubText }),
    importance: texts.importance,
    seed: args.seed,
  }
}

interface Making {
  /** Of the evaluation. */
  readonly contextLength: number
  readonly fetchHubText: FetchHubText
}

async function evaluationOf(
  args: CliArguments,
  source: CliTexts['evaluation'],
  { contextLength, fetchHubText }: Making,
): Promise<EvaluationSettings | null> {
  if (source === null) return null
  const wantedTokens = args.maxTokens ?? Number.POSITIVE_INFINITY
  const { text, name } = 'hubId' in source ? await fetchHubText(source, { purpose: 'evaluation', wantedTokens }) : source
  return { text, textName: name, protocol: args.protocol, contextLength, maxTokens: args.maxTokens, inputs: args.inputs }
}

async function calibrationOf(args: CliArguments, source: CliTexts['calibration'], making: Making): Promise<CalibrationSettings | null> {
  if (source === null) return null
  const contextLength = args.calibrationContext ?? making.contextLength
  const maxTokens = args.calibrationTokens ?? defaultCalibrationWindows * contextLength
  const wantedTokens = args.usesChatTemplate ? tokensForChat * maxTokens : maxTokens
  const { text, name } = 'hubId' in source ? await making.fetchHubText(source, { purpose: 'calibration', wantedTokens }) : source
  return { text, textName: name, maxTokens, contextLength, usesChatTemplate: args.usesChatTemplate }
}

async function readRecipe(idOrFile: string): Promise<Recipe> {
  const isFile = !idOrFile.trimStart().startsWith('{') && (idOrFile.endsWith('.json') || (await isKind(idOrFile, 'file')))
  return findRecipe(isFile ? await readTextFile(idOrFile) : idOrFile)
}

async function readTextFile(path: string): Promise<string> {
  return new TextDecoder().decode(await readFileOf(path))
}

async function readFileOf(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path)
  } catch (cause) {
    const message = `${path} cannot be read.`
    throw new StudioError('file-missing', { title: 'A file is missing', message, remedy: 'Check the path and the permissions.' }, { cause })
  }
}

export async function isKind(path: string, kind: 'file' | 'folder'): Promise<boolean> {
  const found = await stat(path).catch(() => null)
  return found !== null && (kind === 'file' ? found.isFile() : found.isDirectory())
}
