import type { KernelOperations } from './contract/operations.ts'
import { type BatchMessage, buffersOf, type Fault, faultOf, type ThreadMessage } from './messages.ts'
import { isObject, type ServingPort } from './port.ts'
import { deliver, owned } from './targets.ts'

function isBatchMessage(message: unknown): message is BatchMessage {
  return isObject(message) && typeof message['id'] === 'number' && Array.isArray(message['pieces'])
}

/**
 * The whole of a kernel thread: loads its backend, says that it is ready, then answers one batch of pieces after the other.
 * Results are handed over, not copied, and the arguments' buffers given back with them.
 */
export function serveKernels(port: ServingPort, load: () => Promise<KernelOperations>): void {
  const post = (message: ThreadMessage): void => port.post(message, buffersOf(message))
  load().then(
    (operations) => {
      port.listen((message) => {
        if (!isBatchMessage(message)) return
        const { id, name, pieces } = message
        const call = operations as unknown as Readonly<Record<string, (...args: readonly unknown[]) => unknown>>
        const results: unknown[] = []
        let fault: Fault | null = null
        try {
          for (const { args, targets } of pieces) {
            const result = call[name]?.(...args)
            results.push(targets === null ? owned(result) : deliver(result, targets))
          }
        } catch (error) {
          fault = faultOf(error)
        }
        // A result may be an argument: that buffer is the caller's then.
        const kept = new Set(buffersOf(results))
        post({ kind: 'answer', id, results, fault, spent: buffersOf(pieces).filter((buffer) => !kept.has(buffer)) })
      })
      post({ kind: 'ready', backend: operations.backend })
    },
    (error: unknown) => post({ kind: 'failed', reason: faultOf(error).message }),
  )
}
