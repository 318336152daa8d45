import { createStore } from 'zustand/vanilla'
import type { ExportOptions } from '../export/options.ts'
import type { ExportProgress, ExportResult } from '../rpc/contract.ts'
import type { Fault } from './fault.ts'

export interface ExportChoice {
  readonly recipeId: string
  readonly targetId: string
}

export interface ExportJob extends ExportChoice {
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
  /** The impossible cell the person looks at. */
  readonly asked: ExportChoice | null
}

export const initialExportsState: ExportsState = { chosen: [], jobs: [], options: { maxFileBytes: null, device: null }, asked: null }

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
