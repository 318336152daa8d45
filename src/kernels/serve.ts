import type { KernelOperations } from './contract/operations.ts'
import { buffersOf, faultOf, type PieceMessage, type ThreadMessage } from './messages.ts'
import { isObject, type ServingPort } from './port.ts'

function isPieceMessage(message: unknown): message is PieceMessage {
  return isObject(message) && typeof message['id'] === 'number' && Array.isArray(message['args'])
}

/**
 * The whole of a kernel thread: loads its backend, says that it is ready, then answers one piece after the other. Results
 * are handed over, not copied, and the arguments' buffers given back with them.
 */
export function serveKernels(port: ServingPort, load: () => Promise<KernelOperations>): void {
  const post = (message: ThreadMessage): void => port.post(message, buffersOf(message))
  load().then(
    (operations) => {
      port.listen((message) => {
        if (!isPieceMessage(message)) return
        const { id, name, args } = message
        try {
          const call = operations as unknown as Readonly<Record<string, (...args: readonly unknown[]) => unknown>>
          const result = call[name]?.(...args)
          // A result may be an argument: that buffer is the caller's then.
          const kept = new Set(buffersOf(result))
          post({ kind: 'result', id, result, spent: buffersOf(args).filter((buffer) => !kept.has(buffer)) })
        } catch (error) {
          post({ kind: 'fault', id, fault: faultOf(error) })
        }
      })
      post({ kind: 'ready', backend: operations.backend })
    },
    (error: unknown) => post({ kind: 'failed', reason: faultOf(error).message }),
  )
}
