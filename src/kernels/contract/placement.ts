/** Whether an operation runs on the graphics card here: `true`, or why not, as a sentence for the page. */
export interface OperationSupport {
  /** Name of the method of `Kernels`. */
  readonly operation: string
  readonly support: true | string
  /** Which calls, when not all. */
  readonly note?: string
}

/** Where operations run when there is more than one place for them. */
export interface KernelPlacement {
  /** Every operation of `Kernels`; changes when a device is lost or an operation fails on it. */
  readonly support: readonly OperationSupport[]
  /** From here on `Kernels.backend` names what ran where since this call: one part of a result begins. */
  startRecord(): void
}
