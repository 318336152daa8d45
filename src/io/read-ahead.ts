import type { ByteSource } from './byte-source.ts'
import { readInto } from './read-into.ts'
import { Scratch } from './scratch.ts'

interface Ahead {
  readonly start: number
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly done: Promise<void>
}

/**
 * Reads bytes [start, end) of a source, none from `limit` on: as many again behind them are read while these are in use, for whoever
 * reads from front to back. What is returned holds until the next read. One read at a time.
 */
export function readingAhead(
  source: ByteSource,
  limit: number,
  signal?: AbortSignal,
): (start: number, end: number) => Promise<Uint8Array<ArrayBuffer>> {
  const memory = [new Scratch(), new Scratch()] as const
  let turn = 0
  let ahead: Ahead | null = null
  const begin = (start: number, end: number): Ahead => {
    turn = 1 - turn
    const bytes = memory[turn === 0 ? 0 : 1].take(end - start)
    const done = readInto(source, bytes, start, signal)
    // It is awaited when it is needed; until then a rejection is not unhandled.
    done.catch(() => undefined)
    return { start, bytes, done }
  }
  return async (start, end) => {
    const isAhead = ahead !== null && ahead.start === start && ahead.bytes.length >= end - start
    // Nothing is read into memory that something else is still being read into.
    if (!isAhead) await ahead?.done.catch(() => undefined)
    const { bytes, done }: Ahead = isAhead && ahead !== null ? ahead : begin(start, end)
    ahead = null
    await done
    if (end < limit) ahead = begin(end, Math.min(limit, end + (end - start)))
    return bytes.subarray(0, end - start)
  }
}
