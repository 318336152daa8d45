import type { ByteSink } from './byte-sink.ts'
import { Scratch } from './scratch.ts'

/** Bytes that are written at a time. */
const stretchBytes = 4 * 2 ** 20

/**
 * Pieces reach `sink` in stretches of some MiB, each of which is written while the next one is put together: every write has to wake
 * another thread or process. Larger pieces are written as they are. A fault of the sink is told by a later call.
 */
export function gatheringSink(sink: ByteSink): ByteSink {
  // Of two stretches one is being written.
  let [current, other] = [new Scratch(), new Scratch()]
  let filled = 0
  let writing = Promise.resolve()
  const flush = async (): Promise<void> => {
    await writing
    if (filled === 0) return
    writing = sink.write(current.take(filled))
    // It is awaited before the next one; until then a rejection is not unhandled.
    writing.catch(() => undefined)
    ;[current, other] = [other, current]
    filled = 0
  }
  const settled = async (): Promise<void> => {
    await flush()
    await writing
  }
  return {
    async write(bytes) {
      if (bytes.length >= stretchBytes) {
        await settled()
        await sink.write(bytes)
        return
      }
      const fitting = Math.min(bytes.length, stretchBytes - filled)
      current.take(stretchBytes).set(bytes.subarray(0, fitting), filled)
      filled += fitting
      if (filled < stretchBytes) return
      await flush()
      current.take(stretchBytes).set(bytes.subarray(fitting))
      filled = bytes.length - fitting
    },
    async close() {
      await settled()
      await sink.close()
    },
    async abort() {
      await writing.catch(() => undefined)
      await sink.abort()
    },
  }
}
