/**
 * Makes `count` things in order, each while the one before is in use: reading goes on beside computing. Two are held at a time, so
 * `make` puts every other one into the same memory. Whoever stops early goes on only when nothing is being made any more.
 */
export async function* oneAhead<T>(count: number, make: (index: number) => Promise<T>): AsyncGenerator<T> {
  let next: Promise<T> | null = null
  const start = (index: number): Promise<T> => {
    const made = make(index)
    // It is awaited when it is asked for; until then a rejection is not unhandled.
    made.catch(() => undefined)
    return made
  }
  try {
    if (count > 0) next = start(0)
    for (let index = 1; next !== null; index++) {
      const made: T = await next
      next = index < count ? start(index) : null
      yield made
    }
  } finally {
    await next?.catch(() => undefined)
  }
}
