import { isAbort } from '../../core/errors.ts'
import type { StudioService } from '../../rpc/contract.ts'
import type { TestDriveService } from '../../testdrive/contract.ts'

/** One running operation of a kind; starting the next of its kind stops it. */
export interface Slot {
  /** Stops the running one and begins a new one. */
  begin(): AbortSignal
  stop(): void
  /** Whether `signal` still is the one running: late answers of older ones are dropped. */
  isCurrent(signal: AbortSignal): boolean
}

export function createSlot(): Slot {
  let current: AbortController | null = null
  return {
    begin() {
      current?.abort()
      current = new AbortController()
      return current.signal
    },
    stop() {
      current?.abort()
    },
    isCurrent: (signal) => current?.signal === signal,
  }
}

export interface ControllerContext {
  readonly service: StudioService
  readonly testDrive: TestDriveService
}

/** True for the end of an operation that the person or its successor stopped: nothing to show. */
export const isStopped = (error: unknown, signal: AbortSignal): boolean => signal.aborted || isAbort(error)
