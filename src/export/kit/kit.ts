import type { Checkpoint } from '../../checkpoint/checkpoint.ts'
import { type Device, deviceById } from '../../devices/device.ts'
import { type Fit, fastestTold, fitOf, modelSizeOf } from '../../devices/fit.ts'
import { encodings as storage } from '../../quantization/registry.ts'
import { modelName } from '../gguf/metadata.ts'
import { type ExportedFile, type ExportFacts, type ExportTarget, sizeOf } from '../target.ts'
import { jsonFile, textFile } from '../text-files.ts'
import { type Guide, type GuideScene, shell } from './guide.ts'
import { guideFor } from './registry.ts'

/** Checksums of everything else in the folder, for `sha256sum -c`. */
export const checksumFile = 'SHA256SUMS'

/** What was measured of the recipe, for the README. */
export interface MeasuredFigures {
  readonly textName: string
  readonly tokens: number
  readonly floatPerplexity: number
  readonly perplexity: number
  /** Whether inputs of matrices that llama.cpp runs were rounded as it rounds them on processors. */
  readonly hasLlamaCppInputs: boolean
}

export interface KitContents {
  /** The run's report, of this recipe alone. */
  readonly report: object
  /** `null` for a run that measured nothing. */
  readonly measured: MeasuredFigures | null
}

/** Tokens of context that commands ask for, where the model reads as many: what a small device has memory for. */
const usualContext = 2048

/** The target with the deployment kit beside its files: README for the chosen device, scripts, recipe and report. */
export function withKit(target: ExportTarget, contents: KitContents): ExportTarget {
  return {
    ...target,
    layout(facts) {
      const files = target.layout(facts)
      return [...files, ...kitFiles(target, facts, files, contents)]
    },
  }
}

function kitFiles(target: ExportTarget, facts: ExportFacts, files: readonly ExportedFile[], contents: KitContents): ExportedFile[] {
  const scene = sceneOf(target, facts, files)
  const guide = guideFor(target.id)
  return [
    textFile('README.md', readme(scene, target, guide, contents)),
    ...(guide?.files(scene) ?? []),
    jsonFile('recipe.json', facts.recipe),
    jsonFile('report.json', contents.report),
  ]
}

/** The command that runs the model on its device; `null` for a format without a guide. */
export function firstCommand(target: ExportTarget, facts: ExportFacts): string | null {
  return guideFor(target.id)?.firstCommand(sceneOf(target, facts, target.layout(facts))) ?? null
}

function sceneOf(target: ExportTarget, facts: ExportFacts, files: readonly ExportedFile[]): GuideScene {
  return {
    facts,
    targetId: target.id,
    files,
    device: deviceById(facts.options.device),
    contextLength: Math.min(usualContext, facts.checkpoint.graph.config.maxPositions),
  }
}

function readme(scene: GuideScene, target: ExportTarget, guide: Guide | null, { measured }: KitContents): string {
  const { facts, device } = scene
  const { checkpoint, recipe } = facts
  const head = `# ${modelName(checkpoint)}, ${recipe.id}, as ${target.title}${device === null ? '' : `, for ${device.label}`}`
  const check = `## Check\n\n${shell(`sha256sum -c ${checksumFile}`)}`
  const parts = [
    head,
    target.explanation,
    check,
    device === null ? '' : expectation(device, checkpoint, scene),
    guide?.steps(scene) ?? '',
    origin(scene, measured),
  ]
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`
}

function expectation(device: Device, checkpoint: Checkpoint, { files, contextLength }: GuideScene): string {
  const weightBytes = sizeOf(files)
  const fit = fitOf(device, modelSizeOf(checkpoint.graph.config, { weightBytes, parameters: checkpoint.parameters }), contextLength)
  const notes = device.notes.map((note) => `- ${note}`).join('\n')
  return `## What to expect\n\n${fitSentence(device, fit, contextLength)}\n\n${notes}`
}

function megabytes(bytes: number): string {
  return bytes < 1e6 ? `${Math.ceil(bytes / 1000)} kB` : `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`
}

const inputsSentence =
  ' Inputs of its quantized matrices were rounded there as llama.cpp rounds them on processors, mostly to 8 bits; in floats it may be lower.'

function runsInLlamaCpp({ encodings }: ExportFacts): boolean {
  return [...encodings.values()].some(({ encoding }) => encoding !== 'source' && storage.get(encoding).llamaCppInputs !== undefined)
}

function speedText([low, high]: readonly [number, number]): string {
  if (low > fastestTold) return `more than ${fastestTold}`
  const digits = (speed: number): string => (speed < 10 ? speed.toPrecision(2) : speed.toFixed(0))
  return `${digits(low)} to ${digits(high)}`
}

function fitSentence(device: Device, fit: Fit, contextLength: number): string {
  const sizes = `${megabytes(fit.weightBytes)} of weights, ${megabytes(fit.cacheBytes)} of cache at ${contextLength} tokens and ${megabytes(fit.workBytes)} of work space make ${megabytes(fit.totalBytes)}, of ${megabytes(device.usableBytes)} that are usable`
  if (fit.tokensPerSecond === null) return `**It does not fit**: ${sizes}. Memory that overflows is read from storage for every token.`
  const origin = device.isDerived ? 'derived from similar devices' : 'from its memory bandwidth and measured runs'
  return `It ${fit.verdict === 'fits' ? 'fits' : 'just fits'}: ${sizes}. Expect ${speedText(fit.tokensPerSecond)} tokens a second (${origin}).`
}

function origin({ facts }: GuideScene, measured: MeasuredFigures | null): string {
  const { recipe, checkpoint } = facts
  const figures =
    measured === null
      ? 'Nothing was measured on a text in this run.'
      : `On ${measured.tokens} tokens of ${measured.textName} its perplexity is ${measured.perplexity.toFixed(3)}; that of the float model is ${measured.floatPerplexity.toFixed(3)}.${measured.hasLlamaCppInputs && runsInLlamaCpp(facts) ? inputsSentence : ''}`
  return `## How it was made\n\nQuantization Studio made it from ${checkpoint.name} by the recipe in \`recipe.json\` (${recipe.id}); nothing left the machine. ${figures} Layer by layer: \`report.json\`. Every file was read back and compared before it counted as written. The licence is that of the original model.`
}
