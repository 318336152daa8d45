import type { Checkpoint } from '../checkpoint/checkpoint.ts'
import type { ExportTarget } from '../export/target.ts'
import type { LoadedImportance } from './importance.ts'
import type { RunRequest } from './plan.ts'
import type { PreparedTexts } from './texts.ts'

/** What a plan is made from. No weights. */
export interface PlanFacts {
  readonly checkpoint: Checkpoint
  readonly request: RunRequest
  readonly hash: string
  readonly texts: PreparedTexts
  readonly loaded: LoadedImportance
  readonly targets: readonly ExportTarget[]
  readonly threads: number
  readonly memoryLimitBytes: number
  readonly freeStorageBytes: number
  /** Bytes this very run already holds in storage. */
  readonly heldStorageBytes: number
  /** Multiply-adds a second that this machine reached, by backend; `null` before the first run. */
  readonly rates: readonly { readonly backend: string; readonly operationsPerSecond: number | null }[]
}
