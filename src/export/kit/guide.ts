import type { Device } from '../../devices/device.ts'
import type { ExportedFile, ExportFacts } from '../target.ts'

/** What a guide writes about: one recipe in one format for one device. */
export interface GuideScene {
  readonly facts: ExportFacts
  readonly targetId: string
  /** Of the format itself. */
  readonly files: readonly ExportedFile[]
  /** `null`: none was chosen; the guide then names the usual ways. */
  readonly device: Device | null
  /** Tokens of context that its commands ask for. */
  readonly contextLength: number
}

/** Commands of the runtimes of one format. Small texts; exact, since people paste them. */
export interface Guide {
  /** Export targets that it is for. */
  readonly targets: readonly string[]
  /** The one command that runs the model, once its runtime is installed. */
  firstCommand(scene: GuideScene): string
  /** Markdown: how to get the runtime, how to run and serve. */
  steps(scene: GuideScene): string
  /** Scripts and settings that the steps name. */
  files(scene: GuideScene): readonly ExportedFile[]
}

export function shell(...lines: readonly string[]): string {
  return ['```sh', ...lines, '```'].join('\n')
}

/** The file that a runtime is given, by its ending. */
export function fileEnding(files: readonly ExportedFile[], ending: string): string {
  return files.find(({ path }) => path.endsWith(ending))?.path ?? `model${ending}`
}

/** ` -t 4`, where the device wants a number of threads. */
export function threadsFlag(device: Device | null, flag: string): string {
  return device?.threads === null || device === null ? '' : ` ${flag} ${device.threads}`
}
