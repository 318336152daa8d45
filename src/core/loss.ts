/**
 * Something that work depends on and that may go away at any time: a device, a worker. Used instead of `Promise.race` with
 * one long-lived promise, which keeps every result it ever raced against in memory (nodejs/node issue 17469).
 */
export class Loss {
  #error: Error | null = null
  readonly #waiting = new Set<(error: Error) => void>()

  get error(): Error | null {
    return this.#error
  }

  /** Rejects everything that is guarded now and from now on. The first loss counts. */
  declare(error: Error): void {
    this.#error ??= error
    for (const reject of this.#waiting) reject(this.#error)
    this.#waiting.clear()
  }

  /** Settles as `work` does, or rejects when the loss comes first. */
  guard<T>(work: PromiseLike<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      // Work of something lost already is still listened to: its own rejection must not go unhandled.
      if (this.#error === null) this.#waiting.add(reject)
      else reject(this.#error)
      const done = (): boolean => this.#waiting.delete(reject)
      work.then(
        (value) => {
          done()
          resolve(value)
        },
        (error: unknown) => {
          done()
          reject(error instanceof Error ? error : new Error(String(error), { cause: error }))
        },
      )
    })
  }
}
