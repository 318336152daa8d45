/** What is used of a Web Worker; tests bring their own. */
export type WatchedWorker = Pick<Worker, 'postMessage' | 'addEventListener' | 'removeEventListener' | 'terminate'>

/**
 * Tells once the worker has died. A worker that is killed sends no event, but it loses its Web Lock: the page waits for the lock
 * that the worker holds as long as it lives. `name` is that of the worker, for the lock.
 */
export function watchWorker(worker: WatchedWorker, name: string, onLost: (reason: string) => void): void {
  worker.addEventListener('error', (event) => onLost(event.message === '' ? 'the worker could not be started' : event.message))
  const lock = `quantization-studio-${name}-${crypto.randomUUID()}`
  const onMessage = (event: Event): void => {
    const { data } = event as MessageEvent<unknown>
    if (typeof data !== 'object' || data === null || !('holdsLock' in data) || data.holdsLock !== lock) return
    worker.removeEventListener('message', onMessage)
    navigator.locks.request(lock, () => onLost('the worker ended')).catch(() => undefined) // only when the page itself ends
  }
  worker.addEventListener('message', onMessage)
  worker.postMessage({ holdLock: lock })
}
