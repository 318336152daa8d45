import { StudioError } from '../core/errors.ts'
import { type AcceleratedMethod, type AcceleratedOperations, type Accelerator, AcceleratorFault } from './contract/accelerator.ts'
import type { Kernels } from './contract/kernels.ts'
import type { KernelPlacement, OperationSupport } from './contract/placement.ts'
import type { CheckResult } from './self-check.ts'

/** Members of `Kernels` that are no operations. */
const notOperations: readonly string[] = ['backend', 'threads', 'placement', 'into', 'close']

/** Names of the operations of kernels, those that a later version adds included. */
export function operationsOf(kernels: Kernels): string[] {
  return Object.keys(kernels).filter((name) => !notOperations.includes(name))
}

/**
 * Kernels that send single operations to an accelerator: those that passed the check, for calls large enough to pay. All
 * others, and any call that fails there, run on `kernels`; a lost device is never an error of the caller.
 */
export function routeKernels(kernels: Kernels, accelerator: Accelerator, checked: ReadonlyMap<string, CheckResult>): Kernels {
  return routed(new Router(kernels, accelerator, checked), kernels, accelerator)
}

/** `kernels` are those that the router was made with, or the same with other memory for results. */
function routed(router: Router, kernels: Kernels, accelerator: Accelerator): Kernels {
  return {
    ...kernels,
    get backend() {
      return router.backend
    },
    placement: router,
    accumulateGram: (gram, input, signal) =>
      router.run('accumulateGram', (input.rows * input.columns ** 2) / 2, kernels, (at) => at.accumulateGram(gram, input, signal)),
    traceThroughGram: (delta, gram, signal) =>
      router.run('traceThroughGram', (delta.rows * delta.columns ** 2) / 2, kernels, (at) => at.traceThroughGram(delta, gram, signal)),
    quantizeGgml: (input, type, options, signal) =>
      router.run('quantizeGgml', input.rows * input.columns, kernels, (at) => at.quantizeGgml(input, type, options, signal)),
    sweepColumns: (input, options, signal) =>
      router.run('sweepColumns', (input.rows * input.columns ** 2) / 2, kernels, (at) => at.sweepColumns(input, options, signal)),
    into: (memory) => routed(router, kernels.into(memory), accelerator),
    async close() {
      accelerator.close()
      await kernels.close()
    },
  }
}

class Router implements KernelPlacement {
  readonly #kernels: Kernels
  readonly #accelerator: Accelerator
  readonly #checked: ReadonlyMap<string, CheckResult>
  /** Why an operation was given up since the check. */
  readonly #givenUp = new Map<string, string>()
  readonly #ranThere = new Set<string>()
  #lost: string | null = null

  constructor(kernels: Kernels, accelerator: Accelerator, checked: ReadonlyMap<string, CheckResult>) {
    this.#kernels = kernels
    this.#accelerator = accelerator
    this.#checked = checked
    void accelerator.lost.then((reason) => {
      this.#lost = reason
    })
  }

  get backend(): string {
    const { backend } = this.#kernels
    const there = [...this.#ranThere].sort().join(', ')
    return there === '' ? backend : `${backend} + ${this.#accelerator.name} (${there})`
  }

  get support(): readonly OperationSupport[] {
    return operationsOf(this.#kernels).map((operation) => {
      const support = this.#supports(operation)
      const note = this.#accelerator.notes[operation]
      return { operation, support, ...(support === true && note !== undefined ? { note } : {}) }
    })
  }

  startRecord(): void {
    this.#ranThere.clear()
  }

  /** `work` in the unit of the check's: multiply-adds, or weights to search codes for. On `kernels` where not on the card. */
  async run<Result>(
    method: AcceleratedMethod,
    work: number,
    kernels: Kernels,
    call: (at: AcceleratedOperations) => Promise<Result>,
  ): Promise<Result> {
    if (this.#supports(method) === true && work >= (this.#checked.get(method)?.leastWork ?? 0)) {
      try {
        const result = await call(this.#accelerator.operations)
        this.#ranThere.add(method)
        return result
      } catch (error) {
        // An abort or a broken contract is the caller's; whatever else went wrong there, another backend can do the call.
        if (error instanceof StudioError) throw error
        const isLasting = !(error instanceof AcceleratorFault) || error.isLasting
        if (isLasting)
          this.#givenUp.set(method, `The graphics card failed at it: ${error instanceof Error ? error.message : String(error)}`)
      }
    }
    return call(kernels)
  }

  #supports(operation: string): true | string {
    if (this.#lost !== null) return `The graphics card was lost: ${this.#lost}`
    const support = this.#givenUp.get(operation) ?? this.#checked.get(operation)?.support
    if (support !== undefined) return support
    const isThere = this.#accelerator.supports(operation)
    return isThere === true ? 'It was not checked against WASM.' : isThere
  }
}
