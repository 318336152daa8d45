import { throwIfAborted } from '../core/errors.ts'

/** What passes from the browser's own process at once is at most so much. */
const chunkBytes = 2 ** 21
/** So much between two reads is dropped, such as a vector between two matrices. */
const mostSkippedBytes = 2 ** 20
/** Milliseconds that a stream stays open for the next read. */
const idleMs = 1000

/**
 * Readers of open streams. Chromium itself holds on to neither the reader nor its stream: unless something here does, the next
 * collection of garbage takes both, and the read never ends.
 */
const openReaders = new Set<ReadableStreamBYOBReader>()

/**
 * Reads of a Blob that lie one behind the other come from one stream, in the order they were asked for: the memory between the
 * browser's process and this one, which every stream gets anew, costs as much as 16 MiB of reading.
 */
export class BlobStream {
  readonly #blob: Blob
  readonly #reader: ReadableStreamBYOBReader | null
  /** Where the stream stands, and where the last read that was asked for ends. */
  #at: number
  #end: number
  #isOpen: boolean
  /** Chunks pass through it again and again, since streams take shared memory from nobody. */
  #passing = new ArrayBuffer(chunkBytes)
  /** The last read that was asked for. */
  #last: Promise<void> = Promise.resolve()
  #idle: ReturnType<typeof setTimeout> | undefined

  constructor(blob: Blob, start: number) {
    this.#blob = blob
    this.#at = start
    this.#end = start
    this.#reader = byteReader(blob.slice(start))
    this.#isOpen = this.#reader !== null
    if (this.#reader !== null) openReaders.add(this.#reader)
  }

  /** Whether a read from `start` on may come from this stream. */
  reaches(start: number): boolean {
    return this.#isOpen && start >= this.#end && start - this.#end <= mostSkippedBytes
  }

  /** Fills `into` from `start` on. What was asked for behind a read that failed or was stopped is read on its own. */
  readInto(into: Uint8Array, start: number, signal: AbortSignal | undefined): Promise<void> {
    clearTimeout(this.#idle)
    const end = start + into.length
    this.#end = end
    const read = this.#last.then(() => this.#fill(into, start, signal))
    this.#last = read.then(
      () => {
        if (this.#end === end) this.#idle = setTimeout(() => this.#close(), idleMs)
      },
      () => this.#close(),
    )
    return read
  }

  /** Once everything that was asked for is read. */
  close(): void {
    void this.#last.then(() => this.#close())
  }

  async #fill(into: Uint8Array, start: number, signal: AbortSignal | undefined): Promise<void> {
    if (this.#reader === null || !this.#isOpen) {
      throwIfAborted(signal)
      into.set(new Uint8Array(await this.#blob.slice(start, start + into.length).arrayBuffer()))
      return
    }
    while (this.#at < start) await this.#next(this.#reader, start - this.#at)
    for (let filled = 0; filled < into.length; ) {
      throwIfAborted(signal)
      const chunk = await this.#next(this.#reader, into.length - filled)
      into.set(chunk, filled)
      filled += chunk.length
    }
  }

  /** The next bytes, so many at most; they hold until the next ones are asked for. */
  async #next(reader: ReadableStreamBYOBReader, most: number): Promise<Uint8Array> {
    const chunk = new Uint8Array(this.#passing, 0, Math.min(this.#passing.byteLength, most))
    const { value, done } = await reader.read(chunk)
    if (done) throw new TypeError('the file ended early')
    this.#passing = value.buffer
    this.#at += value.length
    return value
  }

  #close(): void {
    clearTimeout(this.#idle)
    this.#isOpen = false
    if (this.#reader === null || !openReaders.delete(this.#reader)) return
    // Nothing is left to read, or nobody reads it.
    this.#reader.cancel().catch(() => undefined)
  }
}

/** `null` in browsers whose streams of Blobs hand out memory of their own only (Safari). */
function byteReader(blob: Blob): ReadableStreamBYOBReader | null {
  try {
    return blob.stream().getReader({ mode: 'byob' })
  } catch {
    return null
  }
}
