import { throwIfAborted } from '../core/errors.ts'

/** What is taken out of a stream at once is at most so much: it is still in the cache when it is copied on. */
const chunkBytes = 2 ** 18
/**
 * So much comes from one stream. The browser's own process hands a file over in pieces of 64 KiB, and to wake one thread after the
 * other for each costs it more than the bytes: streams side by side wake them together, which takes less than half the time.
 */
const segmentBytes = 2 ** 24
/** So much between two reads is dropped, such as a vector between two matrices. */
const mostSkippedBytes = 2 ** 20
/** Milliseconds that a stream stays open for the next read. */
const idleMs = 1000

/**
 * Readers of open streams. Chromium itself holds on to neither the reader nor its stream: unless something here does, the next
 * collection of garbage takes both, and the read never ends.
 */
const openReaders = new Set<ReadableStreamBYOBReader>()

/** Large parts of a Blob, through a stream for each segment of it. */
export class BlobStreams {
  readonly #blob: Blob
  readonly #segmentBytes: number
  /** By number of the segment. */
  readonly #open = new Map<number, BlobStream>()

  constructor(blob: Blob, bytesOfSegment = segmentBytes) {
    this.#blob = blob
    this.#segmentBytes = bytesOfSegment
  }

  /** Fills `into` from `start` on. When it rejects nothing writes there any more. */
  async readInto(into: Uint8Array, start: number, signal: AbortSignal | undefined): Promise<void> {
    const reads: Promise<void>[] = []
    for (let at = start; at < start + into.length; ) {
      const segment = Math.floor(at / this.#segmentBytes)
      const end = Math.min(start + into.length, (segment + 1) * this.#segmentBytes)
      reads.push(this.#streamAt(segment, at).readInto(into.subarray(at - start, end - start), at, signal))
      at = end
    }
    const failed = (await Promise.allSettled(reads)).find((read) => read.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }

  #streamAt(segment: number, start: number): BlobStream {
    const open = this.#open.get(segment)
    if (open?.reaches(start) === true) return open
    open?.close()
    const end = Math.min(this.#blob.size, (segment + 1) * this.#segmentBytes)
    const stream = new BlobStream(this.#blob, { start, end }, () => {
      if (this.#open.get(segment) === stream) this.#open.delete(segment)
    })
    this.#open.set(segment, stream)
    return stream
  }
}

/**
 * Reads that lie one behind the other come from one stream, in the order they were asked for: the memory between the browser's
 * process and this one, which every stream gets anew, costs as much as some MiB of reading.
 */
class BlobStream {
  readonly #blob: Blob
  readonly #segmentEnd: number
  readonly #onClosed: () => void
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

  constructor(blob: Blob, { start, end }: { readonly start: number; readonly end: number }, onClosed: () => void) {
    this.#blob = blob
    this.#at = start
    this.#end = start
    this.#segmentEnd = end
    this.#onClosed = onClosed
    this.#reader = byteReader(blob.slice(start, end))
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
        if (end === this.#segmentEnd) this.#close()
        else if (this.#end === end) this.#idle = setTimeout(() => this.#close(), idleMs)
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
    this.#onClosed()
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
