import { type AcceleratedMethod, type AcceleratedOperations, type Accelerator, AcceleratorFault } from '../kernels/contract/accelerator.ts'
import { createReferenceKernels } from '../kernels/reference/index.ts'

export interface AcceleratorDouble {
  readonly accelerator: Accelerator
  /** Operations that were called, in order. */
  readonly calls: AcceleratedMethod[]
  /** The next calls reject with this, until it is `null` again. */
  failWith(error: Error | null): void
  /** The device vanishes: calls under way reject, and all later ones. */
  lose(reason: string): void
  readonly isClosed: () => boolean
}

/** An accelerator that computes with the reference, for tests of what happens around one. `change` replaces operations. */
export function acceleratorDouble({
  isSoftware = false,
  change = {},
}: {
  readonly isSoftware?: boolean
  readonly change?: Partial<AcceleratedOperations>
} = {}): AcceleratorDouble {
  const reference = createReferenceKernels()
  const inner: AcceleratedOperations = { ...reference, ...change }
  const calls: AcceleratedMethod[] = []
  let endDevice: (reason: string) => void = () => undefined
  const lost = new Promise<string>((resolve) => {
    endDevice = resolve
  })
  let failure: Error | null = null
  const requireDevice = (): void => {
    if (failure !== null) throw failure
  }
  let isClosed = false
  const call = async <Result>(method: AcceleratedMethod, run: () => Promise<Result>): Promise<Result> => {
    calls.push(method)
    requireDevice()
    const result = await run()
    requireDevice()
    return result
  }
  const operations: AcceleratedOperations = {
    accumulateGram: (gram, input, signal) => call('accumulateGram', () => inner.accumulateGram(gram, input, signal)),
    traceThroughGram: (delta, gram, signal) => call('traceThroughGram', () => inner.traceThroughGram(delta, gram, signal)),
    quantizeGgml: (input, type, options, signal) => call('quantizeGgml', () => inner.quantizeGgml(input, type, options, signal)),
    sweepColumns: (input, options, signal) => call('sweepColumns', () => inner.sweepColumns(input, options, signal)),
  }
  return {
    accelerator: {
      name: 'webgpu (test)',
      isSoftware,
      operations,
      supports: (operation) => (operation in operations ? true : `no ${operation} here`),
      notes: { quantizeGgml: 'Some types only.' },
      lost,
      close() {
        isClosed = true
      },
    },
    calls,
    failWith(error) {
      failure = error
    },
    lose(reason) {
      failure = new AcceleratorFault(reason, { isLasting: true })
      endDevice(reason)
    },
    isClosed: () => isClosed,
  }
}
