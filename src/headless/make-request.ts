import { readFile, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { toBase64 } from '../core/base64.ts'
import { StudioError } from '../core/errors.ts'
import { learningOf, learnsFromText } from '../pipeline/learning.ts'
import type { CalibrationSettings, ImportanceSettings, RunRequest } from '../pipeline/plan.ts'
import { parseRecipe } from '../quantization/parse-recipe.ts'
import type { Recipe } from '../quantization/recipe.ts'
import type { CliArguments } from './cli-arguments.ts'

/** What `--evaluation` takes for a run that only quantizes. */
const noEvaluation = 'none'
const defaultContext = 256
const defaultCalibrationWindows = 32

/** What the arguments name in files, read before anything is opened. */
export interface CliTexts {
  readonly recipes: readonly Recipe[]
  /** `null` when nothing is measured. */
  readonly evaluation: { readonly text: string; readonly name: string } | null
  /** `null` when no file is named and nothing is to be learnt. */
  readonly calibration: { readonly text: string; readonly name: string } | null
  readonly importance: ImportanceSettings | null
}

/** Throws `file-missing` and `recipe-invalid`. `samples` is the folder of the bundled texts. */
export async function readTexts(args: CliArguments, samples: string): Promise<CliTexts> {
  const recipes = await Promise.all(args.recipes.map(readRecipe))
  const evaluation = await readEvaluation(args.evaluation, samples)
  const importance = args.imatrix === null ? null : { fileName: basename(args.imatrix), base64: toBase64(await readFileOf(args.imatrix)) }
  return { recipes, evaluation, calibration: await readCalibration(args, recipes, samples), importance }
}

async function readCalibration(args: CliArguments, recipes: readonly Recipe[], samples: string): Promise<CliTexts['calibration']> {
  if (args.calibration !== null) return { text: await readTextFile(args.calibration), name: basename(args.calibration) }
  const needsText = recipes.some((recipe) => learnsFromText(learningOf(recipe), args.imatrix !== null))
  if (args.saveImatrix === null && !needsText) return null
  return { text: await readTextFile(join(samples, 'calibration.txt')), name: 'Bundled calibration text' }
}

async function readEvaluation(path: string | null, samples: string): Promise<CliTexts['evaluation']> {
  if (path === noEvaluation) return null
  if (path === null) return { text: await readTextFile(join(samples, 'evaluation.txt')), name: 'Bundled evaluation text' }
  return { text: await readTextFile(path), name: basename(path) }
}

/** `maxPositions`: what the model reads. */
export function makeRequest(args: CliArguments, texts: CliTexts, maxPositions: number): RunRequest {
  const contextLength = args.context ?? Math.min(defaultContext, maxPositions)
  const { evaluation } = texts
  return {
    recipes: texts.recipes,
    evaluation:
      evaluation === null
        ? null
        : { text: evaluation.text, textName: evaluation.name, protocol: args.protocol, contextLength, maxTokens: args.maxTokens },
    calibration: texts.calibration === null ? null : calibrationOf(args, texts.calibration, contextLength),
    importance: texts.importance,
    seed: args.seed,
  }
}

function calibrationOf(
  args: CliArguments,
  { text, name }: { readonly text: string; readonly name: string },
  evaluationContext: number,
): CalibrationSettings {
  const contextLength = args.calibrationContext ?? evaluationContext
  const maxTokens = args.calibrationTokens ?? defaultCalibrationWindows * contextLength
  return { text, textName: name, maxTokens, contextLength, usesChatTemplate: args.usesChatTemplate }
}

async function readRecipe(idOrFile: string): Promise<Recipe> {
  const isFile = !idOrFile.trimStart().startsWith('{') && (idOrFile.endsWith('.json') || (await isKind(idOrFile, 'file')))
  return parseRecipe(isFile ? await readTextFile(idOrFile) : idOrFile)
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
