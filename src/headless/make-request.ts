import { readFile, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { StudioError } from '../core/errors.ts'
import { learningOf } from '../pipeline/learning.ts'
import type { CalibrationSettings, RunRequest } from '../pipeline/plan.ts'
import { parseRecipe } from '../quantization/parse-recipe.ts'
import type { Recipe } from '../quantization/recipe.ts'
import type { CliArguments } from './cli-arguments.ts'

const defaultContext = 256
const defaultCalibrationWindows = 32

/** What the arguments name in files, read before anything is opened. */
export interface CliTexts {
  readonly recipes: readonly Recipe[]
  readonly evaluation: { readonly text: string; readonly name: string }
  /** `null` when no file is named and no recipe learns. */
  readonly calibration: { readonly text: string; readonly name: string } | null
}

/** Throws `file-missing` and `recipe-invalid`. `samples` is the folder of the bundled texts. */
export async function readTexts(args: CliArguments, samples: string): Promise<CliTexts> {
  const recipes = await Promise.all(args.recipes.map(readRecipe))
  const evaluation =
    args.evaluation === null
      ? { text: await readTextFile(join(samples, 'evaluation.txt')), name: 'Bundled evaluation text' }
      : { text: await readTextFile(args.evaluation), name: basename(args.evaluation) }
  if (args.calibration !== null) {
    return { recipes, evaluation, calibration: { text: await readTextFile(args.calibration), name: basename(args.calibration) } }
  }
  if (recipes.every((recipe) => learningOf(recipe).from === 'none')) return { recipes, evaluation, calibration: null }
  const text = await readTextFile(join(samples, 'calibration.txt'))
  return { recipes, evaluation, calibration: { text, name: 'Bundled calibration text' } }
}

/** `maxPositions`: what the model reads. */
export function makeRequest(args: CliArguments, texts: CliTexts, maxPositions: number): RunRequest {
  const contextLength = args.context ?? Math.min(defaultContext, maxPositions)
  const { evaluation } = texts
  return {
    recipes: texts.recipes,
    evaluation: { text: evaluation.text, textName: evaluation.name, protocol: args.protocol, contextLength, maxTokens: args.maxTokens },
    calibration: texts.calibration === null ? null : calibrationOf(args, texts.calibration, contextLength),
    seed: args.seed,
  }
}

function calibrationOf(
  args: CliArguments,
  { text, name }: { readonly text: string; readonly name: string },
  evaluationContext: number,
): CalibrationSettings {
  const contextLength = args.calibrationContext ?? evaluationContext
  return { text, textName: name, maxTokens: args.calibrationTokens ?? defaultCalibrationWindows * contextLength, contextLength }
}

async function readRecipe(idOrFile: string): Promise<Recipe> {
  const isFile = !idOrFile.trimStart().startsWith('{') && (idOrFile.endsWith('.json') || (await isKind(idOrFile, 'file')))
  return parseRecipe(isFile ? await readTextFile(idOrFile) : idOrFile)
}

async function readTextFile(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    const message = `${path} cannot be read.`
    throw new StudioError('file-missing', { title: 'A file is missing', message, remedy: 'Check the path and the permissions.' }, { cause })
  }
}

export async function isKind(path: string, kind: 'file' | 'folder'): Promise<boolean> {
  const found = await stat(path).catch(() => null)
  return found !== null && (kind === 'file' ? found.isFile() : found.isDirectory())
}
