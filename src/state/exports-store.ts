import { createStore } from 'zustand/vanilla'
import type { ExportOptions, TargetOption } from '../export/options.ts'
import type { ExportProgress, ExportResult } from '../rpc/contract.ts'
import type { Fault } from './fault.ts'

export interface ExportChoice {
  readonly recipeId: string
  readonly targetId: string
}

export interface ExportJob extends ExportChoice {
  /** What it is written with. */
  readonly options: ExportOptions
  readonly status: 'waiting' | 'working' | 'done' | 'failed'
  readonly progress: ExportProgress | null
  readonly result: ExportResult | null
  readonly fault: Fault | null
  /** Seconds from the first byte to the proof. */
  readonly seconds: number | null
  /** Where it went: a place the person chose, or this browser's storage (then it is downloaded from there). */
  readonly destination: 'picked' | 'stored'
}

export interface ExportsState {
  readonly chosen: readonly ExportChoice[]
  readonly jobs: readonly ExportJob[]
  /** For every file of the next export. */
  readonly options: ExportOptions
  /** What is chosen of a format's own options for a recipe in that format; kept while the box is empty. */
  readonly formatOptions: readonly (ExportChoice & { readonly chosen: Readonly<Record<string, string>> })[]
  /** The impossible cell the person looks at. */
  readonly asked: ExportChoice | null
}

export const initialExportsState: ExportsState = {
  chosen: [],
  jobs: [],
  options: { maxFileBytes: null, device: null },
  formatOptions: [],
  asked: null,
}

export const exportsStore = createStore<ExportsState>(() => initialExportsState)

export const isSameChoice = (one: ExportChoice, other: ExportChoice): boolean =>
  one.recipeId === other.recipeId && one.targetId === other.targetId

export function toggleExport(choice: ExportChoice): void {
  exportsStore.setState(({ chosen }) => ({
    chosen: chosen.some((other) => isSameChoice(choice, other))
      ? chosen.filter((other) => !isSameChoice(choice, other))
      : [...chosen, choice],
  }))
}

export function updateJob(choice: ExportChoice, change: Partial<ExportJob>): void {
  exportsStore.setState(({ jobs }) => ({ jobs: jobs.map((job) => (isSameChoice(job, choice) ? { ...job, ...change } : job)) }))
}

/** Exports whose files, or some of them, were in a part of the browser's storage that is cleared: there is nothing to save any more. */
export function forgetStored(part: string): void {
  exportsStore.setState(({ jobs }) => ({
    jobs: jobs.filter(({ result }) => result === null || !result.storedPaths.some((path) => path.startsWith(`${part}/`))),
  }))
}

/** The first value is what nobody has to choose, so it is not kept. */
export function chooseFormatOption(choice: ExportChoice, { id, values }: TargetOption, value: string): void {
  exportsStore.setState(({ formatOptions }) => {
    const before = formatOptions.find((other) => isSameChoice(choice, other))
    const others = Object.entries(before?.chosen ?? {}).filter(([key]) => key !== id)
    const chosen = Object.fromEntries(value === values[0] ? others : [...others, [id, value]])
    return {
      formatOptions: [
        ...formatOptions.filter((other) => other !== before),
        { recipeId: choice.recipeId, targetId: choice.targetId, chosen },
      ],
    }
  })
}

/** Everything that a recipe in a format would be written with now. */
export function optionsOf({ options, formatOptions }: ExportsState, choice: ExportChoice): ExportOptions {
  return { ...options, chosen: formatOptions.find((other) => isSameChoice(choice, other))?.chosen ?? {} }
}

function isSameOptions(one: ExportOptions, other: ExportOptions): boolean {
  const ids = [one, other].flatMap(({ chosen }) => Object.keys(chosen ?? {}))
  return (
    one.maxFileBytes === other.maxFileBytes && one.device === other.device && ids.every((id) => one.chosen?.[id] === other.chosen?.[id])
  )
}

/** The finished export that is what would be written now, if there is one. */
export function writtenJob(state: ExportsState, choice: ExportChoice): ExportJob | undefined {
  const options = optionsOf(state, choice)
  return state.jobs.find((job) => job.status === 'done' && isSameChoice(job, choice) && isSameOptions(job.options, options))
}
