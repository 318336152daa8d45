import type { ByteSink } from './byte-sink.ts'
import { Scratch } from './scratch.ts'

/** Bytes that are written at a time, and how many times so many wait at most. */
const stretchBytes = 4 * 2 ** 20
const stretches = 8

/**
 * For sinks whose writes another thread or process does: what is given is copied and written behind, in stretches of some MiB, while
 * the next bytes are made. The bytes are the caller's again at once. A fault of `sink` is told by a later call. (A sync access
 * handle writes in the thread of its caller: there the copy would be lost time.)
 */
export function gatheringSink(sink: ByteSink): ByteSink {
  // The last that became free is taken first: it may still lie in the cache.
  const free = Array.from({ length: stretches }, () => new Scratch())
  const writes: Promise<void>[] = []
  let current: Scratch | null = null
  let filled = 0
  let last = Promise.resolve()
  const writeBehind = (): void => {
    const stretch = current
    if (stretch === null) return
    const bytes = stretch.take(filled)
    last = last.then(async () => {
      await sink.write(bytes)
      free.push(stretch)
      void writes.shift()
    })
    // It is awaited when memory is needed, or at the end; until then a rejection is not unhandled.
    last.catch(() => undefined)
    writes.push(last)
    current = null
    filled = 0
  }
  return {
    async write(bytes) {
      for (let at = 0; at < bytes.length; ) {
        while (free.length === 0 && current === null) await writes[0]
        current ??= free.pop() ?? null
        const some = bytes.subarray(at, at + stretchBytes - filled)
        current?.take(stretchBytes).set(some, filled)
        at += some.length
        filled += some.length
        if (filled === stretchBytes) writeBehind()
      }
    },
    async close() {
      writeBehind()
      await last
      await sink.close()
    },
    async abort() {
      await last.catch(() => undefined)
      await sink.abort()
    },
  }
}
