import type { KernelOperations } from '../contract/operations.ts'
import type { KernelPort } from '../port.ts'
import { serveKernels } from '../serve.ts'

/** A thread that can be killed, over a real message channel in this thread: messages are cloned and buffers handed over. */
export interface ThreadDouble {
  readonly port: KernelPort
  /** Ends it without a word to the pool other than `onLost`. */
  kill(reason: string): void
  readonly isTerminated: () => boolean
}

export function startThreadDouble(load: () => Promise<KernelOperations>): ThreadDouble {
  const { port1: outer, port2: inner } = new MessageChannel()
  const lostListeners: ((reason: string) => void)[] = []
  let isTerminated = false
  inner.onmessage = null
  serveKernels(
    {
      post: (message, transfer) => inner.postMessage(message, [...transfer]),
      listen(listener) {
        inner.onmessage = ({ data }) => listener(data)
      },
    },
    load,
  )
  const end = (): void => {
    isTerminated = true
    outer.close()
    inner.close()
  }
  return {
    port: {
      post: (message, transfer) => outer.postMessage(message, [...transfer]),
      listen(listener) {
        outer.onmessage = ({ data }) => listener(data)
      },
      onLost: (listener) => lostListeners.push(listener),
      terminate: end,
    },
    kill(reason) {
      end()
      for (const listener of lostListeners) listener(reason)
    },
    isTerminated: () => isTerminated,
  }
}
