import { throwIfAborted } from '../core/errors.ts'
import type { Kernels } from './contract/kernels.ts'
import type { KernelOperations } from './contract/operations.ts'
import type { Cut, KernelExecutor, OperationName, PieceWork } from './executor.ts'
import { createSplitKernels } from './split.ts'
import { deliver } from './targets.ts'

/** Milliseconds of work after which other tasks of this thread get a turn, an abort among them. */
const turnMs = 25

const view: Cut = (array, start, end) => array.subarray(start, end) as typeof array

/** Lets messages, timers and aborts in; a message port is not slowed down as nested timers are. */
function nextTask(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel()
    port1.onmessage = () => {
      port1.close()
      resolve()
    }
    port2.postMessage(null)
  })
}

/** Runs every piece in the calling thread. */
export function createInlineKernels(operations: KernelOperations): Kernels {
  let turnStart = performance.now()
  const executor: KernelExecutor = {
    backend: operations.backend,
    threads: 1,
    async each<Name extends OperationName, Piece>(
      name: Name,
      pieces: readonly Piece[],
      { argumentsOf, targetsOf, take }: PieceWork<Name, Piece>,
      signal: AbortSignal | undefined,
    ) {
      const operation = operations[name] as (...args: Parameters<KernelOperations[Name]>) => ReturnType<KernelOperations[Name]>
      for (const [index, piece] of pieces.entries()) {
        if (performance.now() - turnStart > turnMs) {
          await nextTask()
          turnStart = performance.now()
        }
        throwIfAborted(signal)
        const result = operation(...argumentsOf(piece, view))
        if (targetsOf !== undefined) deliver(result, targetsOf(piece))
        take?.(result, piece, index)
      }
    },
    // Shared memory is read more slowly, and nothing is handed away here.
    memory: (byteLength) => new ArrayBuffer(byteLength),
    share: (array) => array,
    close: () => Promise.resolve(),
  }
  return createSplitKernels(executor)
}
