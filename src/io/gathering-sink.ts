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
  const waiting = Array.from({ length: stretches }, () => ({ memory: new Scratch(), written: Promise.resolve() }))
  let index = 0
  let filled = 0
  let last = Promise.resolve()
  const writeBehind = (): void => {
    const stretch = waiting[index % stretches]
    if (stretch === undefined || filled === 0) return
    const bytes = stretch.memory.take(filled)
    last = last.then(() => sink.write(bytes))
    // It is awaited when its memory is needed again; until then a rejection is not unhandled.
    last.catch(() => undefined)
    stretch.written = last
    index += 1
    filled = 0
  }
  return {
    async write(bytes) {
      for (let at = 0; at < bytes.length; ) {
        const stretch = waiting[index % stretches]
        if (stretch === undefined) return
        if (filled === 0) await stretch.written
        const some = bytes.subarray(at, at + stretchBytes - filled)
        stretch.memory.take(stretchBytes).set(some, filled)
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
