import type { KernelOperations } from './contract/operations.ts'

/** Names of the operations of a backend. */
export type OperationName = Exclude<keyof KernelOperations, 'backend'>

/** Arrays that pieces are cut from. */
export type PieceArray = Float32Array | Float64Array | Int32Array | Int8Array | Uint8Array

/**
 * `array[start, end)` for one piece: a view where the operation runs in this thread or the memory is shared, a copy where it
 * is handed away, so that the caller keeps its arrays either way.
 */
export type Cut = <T extends PieceArray>(array: T, start: number, end: number) => T

/** Runs operations on pieces, somewhere. */
export interface KernelExecutor {
  readonly backend: string
  readonly threads: number
  /** Pieces worth having under way at once. */
  readonly concurrency: number
  /** `makeArguments` is called when a thread is free, and again when its thread died. Rejects with `aborted` at once on abort. */
  run<Name extends OperationName>(
    name: Name,
    makeArguments: (cut: Cut) => Parameters<KernelOperations[Name]>,
    signal: AbortSignal | undefined,
  ): Promise<ReturnType<KernelOperations[Name]>>
  close(): Promise<void>
}
