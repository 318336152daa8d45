/** What is used of a worker's global scope. */
interface Scope {
  postMessage(message: unknown): void
  addEventListener(type: 'message', listener: (event: MessageEvent<unknown>) => void): void
}

/** The worker's side of knowing when it dies: it holds the lock that the page names for as long as it lives. */
export function holdLock(scope: Scope): void {
  scope.addEventListener('message', ({ data }) => {
    if (typeof data !== 'object' || data === null || !('holdLock' in data) || typeof data.holdLock !== 'string') return
    const name = data.holdLock
    void navigator.locks.request(name, () => {
      scope.postMessage({ holdsLock: name })
      return new Promise<never>(() => undefined)
    })
  })
}
