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

/** Where arrays of a result belong, by their names in it. */
export type Targets = Readonly<Record<string, PieceArray>>

/** What one call does with its pieces. */
export interface PieceWork<Name extends OperationName, Piece> {
  /** Called when a thread is free, and again when its thread died. */
  readonly argumentsOf: (piece: Piece, cut: Cut) => Parameters<KernelOperations[Name]>
  /** What is copied before `take`; into shared memory by the thread that made it, and `take` does not see it then. Absent: nothing. */
  readonly targetsOf?: (piece: Piece) => Targets
  /** Takes a finished piece, whose result is then its own; in any order. */
  readonly take?: (result: ReturnType<KernelOperations[Name]>, piece: Piece, index: number) => void
}

/** Runs operations on pieces, somewhere. */
export interface KernelExecutor {
  readonly backend: string
  readonly threads: number
  /**
   * Runs the operation on every piece. The first fault rejects the call, `aborted` at once on abort; nothing is taken after
   * that, and no further piece is begun.
   */
  each<Name extends OperationName, Piece>(
    name: Name,
    pieces: readonly Piece[],
    work: PieceWork<Name, Piece>,
    signal: AbortSignal | undefined,
  ): Promise<void>
  /** Zeroed memory that pieces are best cut from. */
  memory(byteLength: number): ArrayBufferLike
  /** The array, or a copy of it in shared memory where that spares copies: for what goes with several pieces whole. */
  share<T extends PieceArray>(array: T): T
  close(): Promise<void>
}
