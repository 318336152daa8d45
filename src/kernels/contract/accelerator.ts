import type { Kernels } from './kernels.ts'

/**
 * A second place for some operations: asynchronous, with a memory of its own, and able to vanish at any moment. It keeps the
 * contract of `Kernels` for the operations it has and says why it has not the others. Calls run one after the other.
 */
export interface Accelerator {
  /** `webgpu nvidia ampere`. */
  readonly name: string
  /** Runs on the processor, far slower than WASM: never chosen by itself. */
  readonly isSoftware: boolean
  /** The operations it has. They reject with `AcceleratorFault` when it cannot do a call, and with `aborted`. */
  readonly operations: AcceleratedOperations
  /** `true`, or why this operation is not here; a general reason for one it has never heard of. */
  supports(operation: string): true | string
  /** What the page should add about an operation that it has: of which calls it takes only some. */
  readonly notes: Readonly<Record<string, string>>
  /** Resolves with the reason when the device is gone, after which every call rejects. */
  readonly lost: Promise<string>
  /** Frees its memory; `lost` then does not matter any more. */
  close(): void
}

export type AcceleratedOperations = Pick<Kernels, 'accumulateGram' | 'traceThroughGram' | 'quantizeGgml' | 'sweepColumns'>
export type AcceleratedMethod = keyof AcceleratedOperations

/** A call that the accelerator could not do and another backend can: never shown to a person as an error. */
export class AcceleratorFault extends Error {
  /** Whether other calls of this operation would fail as well: a shader that does not compile, not a matrix too wide. */
  readonly isLasting: boolean

  constructor(message: string, { isLasting }: { readonly isLasting: boolean }) {
    super(message)
    this.name = 'AcceleratorFault'
    this.isLasting = isLasting
  }
}
