import { createStore } from 'zustand/vanilla'
import type { Continuation } from '../rpc/contract.ts'
import type { RuntimeInfo, TestDriveDevice, TestDriveProgress, TestDriveResult } from '../testdrive/contract.ts'
import type { ExportChoice, ExportJob } from './exports-store.ts'
import type { Fault } from './fault.ts'

/** One written export in the program it is for. */
export interface TestDrive extends ExportChoice {
  readonly device: TestDriveDevice
  readonly prompt: string
  readonly status: 'running' | 'done' | 'failed'
  readonly progress: TestDriveProgress | null
  readonly result: TestDriveResult | null
  /** What the studio itself continues the prompt with, from the stored tensors. */
  readonly studio: Continuation | null
  readonly fault: Fault | null
}

export interface TestDriveState {
  readonly runtimes: readonly RuntimeInfo[]
  readonly device: TestDriveDevice
  /** The latest of each export and device, in the order of their start. */
  readonly drives: readonly TestDrive[]
}

export const initialTestDriveState: TestDriveState = { runtimes: [], device: 'wasm', drives: [] }

export const testDriveStore = createStore<TestDriveState>(() => initialTestDriveState)

/** Finished exports in this browser's storage that some runtime opens. */
export function drivableJobs(jobs: readonly ExportJob[], runtimes: readonly RuntimeInfo[]): readonly ExportJob[] {
  return jobs.filter(
    (job) => job.status === 'done' && job.destination === 'stored' && runtimes.some(({ targets }) => targets.includes(job.targetId)),
  )
}

/** Middle, least and most of some speeds. */
export function spread(values: readonly number[]): { readonly median: number; readonly least: number; readonly most: number } {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const upper = sorted[middle] ?? Number.NaN
  return {
    median: sorted.length % 2 === 0 ? ((sorted[middle - 1] ?? Number.NaN) + upper) / 2 : upper,
    least: sorted[0] ?? Number.NaN,
    most: sorted.at(-1) ?? Number.NaN,
  }
}

/** Tokens at the start that are the same, and how many could be: programs differ in whether they count the end of the text. */
export function agreement(made: readonly number[], studio: readonly number[]): { readonly equal: number; readonly of: number } {
  const of = Math.min(made.length, studio.length)
  const first = made.slice(0, of).findIndex((id, index) => id !== studio[index])
  return { equal: first < 0 ? of : first, of }
}
