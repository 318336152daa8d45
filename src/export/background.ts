/** Work beside that of a caller, which awaits what it started before it ends: nothing runs on behind. */
export class Background {
  readonly #stop = new AbortController()
  readonly #signal: AbortSignal | undefined
  readonly #started: Promise<unknown>[] = []

  /** An abort of `signal` stops all of it. */
  constructor(signal?: AbortSignal) {
    this.#signal = signal
    signal?.addEventListener('abort', this.#abort)
    if (signal?.aborted === true) this.#abort()
  }

  start<T>(work: (stop: AbortSignal) => Promise<T>): Promise<T> {
    const result = work(this.#stop.signal)
    // It is awaited when it is needed; until then a rejection is not unhandled.
    result.catch(() => undefined)
    this.#started.push(result)
    return result
  }

  /** Stops what is still at work, and resolves once all has ended, whatever came of it. */
  async end(): Promise<void> {
    this.#signal?.removeEventListener('abort', this.#abort)
    this.#abort()
    await Promise.allSettled(this.#started)
  }

  readonly #abort = (): void => this.#stop.abort()
}
