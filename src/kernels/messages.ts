import { type ErrorCode, StudioError } from '../core/errors.ts'
import type { OperationName, Targets } from './executor.ts'

/** From the pool to a thread: one operation on some pieces, one after the other. */
export interface BatchMessage {
  readonly id: number
  readonly name: OperationName
  readonly pieces: readonly PieceMessage[]
}

export interface PieceMessage {
  readonly args: readonly unknown[]
  /** Shared memory that the thread writes arrays of the result to, instead of answering with them. */
  readonly targets: Targets | null
}

/** From a thread to the pool. */
export type ThreadMessage =
  | { readonly kind: 'ready'; readonly backend: string }
  | { readonly kind: 'failed'; readonly reason: string }
  | {
      readonly kind: 'answer'
      readonly id: number
      /** By piece, up to the first fault. */
      readonly results: readonly unknown[]
      readonly fault: Fault | null
      /** The buffers of the arguments, handed back for the next copies. */
      readonly spent: readonly ArrayBuffer[]
    }

/** A `StudioError` as plain data: structured cloning keeps only the message of an error. */
export interface Fault {
  readonly code: ErrorCode
  readonly title: string
  readonly message: string
  readonly remedy: string
  readonly details: Readonly<Record<string, string | number | boolean>>
}

export function faultOf(error: unknown): Fault {
  if (error instanceof StudioError) {
    return { code: error.code, title: error.title, message: error.message, remedy: error.remedy, details: error.details }
  }
  return {
    code: 'internal',
    title: 'A kernel failed',
    message: error instanceof Error ? error.message : String(error),
    remedy: 'Finished results are safe. Report this with the details copied.',
    details: {},
  }
}

export function errorOf(fault: Fault): StudioError {
  return new StudioError(fault.code, fault)
}

/** The buffers found in plain data, alone or of arrays, each once: what a message may hand over instead of copying. */
export function buffersOf(value: unknown, found = new Set<ArrayBuffer>()): readonly ArrayBuffer[] {
  if (ArrayBuffer.isView(value)) {
    if (value.buffer instanceof ArrayBuffer) found.add(value.buffer)
  } else if (value instanceof ArrayBuffer) {
    found.add(value)
  } else if (typeof value === 'object' && value !== null) {
    for (const part of Object.values(value)) buffersOf(part, found)
  }
  return [...found]
}
