/**
 * A thread as the pool sees it: messages both ways, and word when it died. Thin enough to fit a Web Worker and a worker
 * of Node alike.
 */
export interface KernelPort {
  post(message: unknown, transfer: readonly ArrayBuffer[]): void
  listen(listener: (message: unknown) => void): void
  /** Called once when the thread ends by itself or fails to start; never after `terminate`. */
  onLost(listener: (reason: string) => void): void
  terminate(): void
}

/** The side of the thread itself. */
export type ServingPort = Pick<KernelPort, 'post' | 'listen'>

/** What is used of a Web Worker. */
interface WebWorkerLike {
  postMessage(message: unknown, transfer: Transferable[]): void
  addEventListener(type: 'message', listener: (event: MessageEvent<unknown>) => void): void
  addEventListener(type: 'error', listener: (event: Event) => void): void
  terminate(): void
}

/** Message by which the page tells a Web Worker the name of the lock to hold as long as it lives. */
interface LockMessage {
  readonly holdLock: string
}

/**
 * A Web Worker as a port. A worker that is killed or runs out of memory sends no event; but it loses its Web Lock, so the
 * page waits for that lock and knows at once. Where there are no locks, only errors that the worker raises are seen.
 */
export function webWorkerPort(worker: WebWorkerLike): KernelPort {
  const ended = new AbortController()
  const lostListeners: ((reason: string) => void)[] = []
  const lose = (reason: string): void => {
    if (ended.signal.aborted) return
    ended.abort()
    worker.terminate()
    for (const listener of lostListeners) listener(reason)
  }
  worker.addEventListener('error', (event) => {
    // The pool answers it; without this it is reported as unhandled as well.
    event.preventDefault()
    const { message } = event as Partial<ErrorEvent>
    lose(message === undefined || message === '' ? 'the worker could not be started' : message)
  })
  const locks = lockManager()
  if (locks !== undefined) {
    const name = `quantization-studio-kernel-${crypto.randomUUID()}`
    worker.addEventListener('message', ({ data }) => {
      if (!isObject(data) || data['holdsLock'] !== name) return
      locks.request(name, { signal: ended.signal }, () => lose('the worker ended')).catch(() => undefined) // the wait ends with an abort when the port is terminated
    })
    worker.postMessage({ holdLock: name } satisfies LockMessage, [])
  }
  return {
    post: (message, transfer) => worker.postMessage(message, [...transfer]),
    listen: (listener) => worker.addEventListener('message', ({ data }) => listener(data)),
    onLost: (listener) => lostListeners.push(listener),
    terminate() {
      ended.abort()
      worker.terminate()
    },
  }
}

/** What is used of the global scope of a Web Worker. */
interface WorkerScopeLike {
  postMessage(message: unknown, transfer: Transferable[]): void
  addEventListener(type: 'message', listener: (event: MessageEvent<unknown>) => void): void
}

/** The serving side in a Web Worker: `workerScopePort(self)`. */
export function workerScopePort(scope: WorkerScopeLike): ServingPort {
  scope.addEventListener('message', ({ data }) => {
    if (!isObject(data) || typeof data['holdLock'] !== 'string') return
    const name = data['holdLock']
    void lockManager()?.request(name, () => {
      scope.postMessage({ holdsLock: name }, [])
      return new Promise<never>(() => undefined) // held until the worker ends
    })
  })
  return {
    post: (message, transfer) => scope.postMessage(message, [...transfer]),
    listen: (listener) => scope.addEventListener('message', ({ data }) => listener(data)),
  }
}

/** What is used of `Worker` of node:worker_threads. */
interface NodeWorkerLike {
  postMessage(message: unknown, transfer: ArrayBuffer[]): void
  on(event: 'message', listener: (message: unknown) => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'exit', listener: (code: number) => void): unknown
  terminate(): unknown
  unref(): void
}

/** A worker thread of Node as a port; an idle pool does not keep the process alive. */
export function nodeWorkerPort(worker: NodeWorkerLike): KernelPort {
  let isTerminated = false
  let reason = 'the worker thread ended'
  worker.on('error', (error) => {
    reason = error.message
  })
  return {
    post: (message, transfer) => worker.postMessage(message, [...transfer]),
    listen: (listener) => worker.on('message', listener),
    onLost: (listener) => worker.on('exit', () => (isTerminated ? undefined : listener(reason))),
    terminate() {
      isTerminated = true
      void worker.terminate()
    },
  }
}

/** What is used of `parentPort` of node:worker_threads. */
interface NodeParentPortLike {
  postMessage(message: unknown, transfer: ArrayBuffer[]): void
  on(event: 'message', listener: (message: unknown) => void): unknown
}

/** The serving side in a worker thread of Node: `nodeParentPort(parentPort)`. */
export function nodeParentPort(port: NodeParentPortLike): ServingPort {
  return {
    post: (message, transfer) => port.postMessage(message, [...transfer]),
    listen: (listener) => port.on('message', listener),
  }
}

function lockManager(): LockManager | undefined {
  return 'navigator' in globalThis && 'locks' in navigator ? navigator.locks : undefined
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
