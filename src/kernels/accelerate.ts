import type { Accelerator } from './contract/accelerator.ts'
import type { Kernels } from './contract/kernels.ts'
import { operationsOf, routeKernels } from './route.ts'
import { checkAccelerator } from './self-check.ts'

export interface AccelerateOptions {
  /** `automatic` takes hardware only, and only what is faster; `always` takes whatever computes rightly; `never` nothing. */
  readonly choice: 'automatic' | 'always' | 'never'
  /** Opens the accelerator; a sentence when there is none. Not called for `never`. */
  readonly open: () => Promise<Accelerator | string>
  /** Milliseconds, for durations only. */
  readonly now: () => number
}

/** A card that has not answered a tiny call by then hangs; the studio waits for it at its start. */
const hangsAfterMs = 10_000
/** Adapters in software need seconds to compile a shader on a busy machine. */
const softwareHangsAfterMs = 60_000

/** `kernels` with the operations that an accelerator proves to be good for; closing the result closes both. Never throws. */
export async function accelerateKernels(kernels: Kernels, { choice, open, now }: AccelerateOptions): Promise<Kernels> {
  if (choice === 'never') return unaccelerated(kernels, 'Switched off in the settings.')
  const accelerator = await open()
  if (typeof accelerator === 'string') return unaccelerated(kernels, accelerator)
  if (choice === 'automatic' && accelerator.isSoftware) {
    accelerator.close()
    return unaccelerated(kernels, 'WebGPU runs on the processor here, where WASM is faster.')
  }
  const isTimed = choice === 'automatic'
  const checked = await checkAccelerator(accelerator, kernels, { isTimed, now, timeoutMs: isTimed ? hangsAfterMs : softwareHangsAfterMs })
  return routeKernels(kernels, accelerator, checked)
}

/** The same kernels, which can say why nothing runs on a graphics card. */
function unaccelerated(kernels: Kernels, reason: string): Kernels {
  const support = operationsOf(kernels).map((operation) => ({ operation, support: reason }))
  return { ...kernels, placement: { support, startRecord: () => undefined } }
}
