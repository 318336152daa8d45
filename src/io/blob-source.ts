import { StudioError, throwIfAborted } from '../core/errors.ts'
import type { ByteSource } from './byte-source.ts'
import { assertRange } from './range.ts'

/** Shorter reads are done in one go. */
const leastStreamBytes = 2 ** 20
/** What passes from the browser's own process at once is at most so much. */
const chunkBytes = 2 ** 21

/**
 * Readers that wait for a chunk. Chromium itself holds on to neither the reader nor its stream: unless something here does,
 * the next collection of garbage takes both, and the read never ends.
 */
const waiting = new Set<ReadableStreamBYOBReader>()

/**
 * A dropped file, or any other Blob: only the asked slice is read. A file that changed or went away on disk since it was
 * chosen cannot be read any more (File API, "snapshot state"); that is `file-missing`.
 */
export function blobSource(name: string, blob: Blob): ByteSource {
  /** Memory that chunks pass through, of reads that are done. */
  const spare: ArrayBuffer[] = []
  const reading = async <T>(start: number, end: number, signal: AbortSignal | undefined, work: (slice: Blob) => Promise<T>): Promise<T> => {
    throwIfAborted(signal)
    assertRange(name, blob.size, start, end)
    try {
      return await work(blob.slice(start, end))
    } catch (cause) {
      throw cause instanceof StudioError ? cause : unreadable(name, { start, end }, cause)
    } finally {
      throwIfAborted(signal)
    }
  }
  return {
    name,
    sizeBytes: blob.size,
    read: (start, end, signal) => reading(start, end, signal, async (slice) => new Uint8Array(await slice.arrayBuffer())),
    readInto: (into, start, signal) =>
      reading(start, start + into.length, signal, async (slice) => {
        const reader = into.length < leastStreamBytes ? null : byteReader(slice)
        if (reader === null) into.set(new Uint8Array(await slice.arrayBuffer()))
        else spare.push(await fill(into, reader, spare.pop() ?? new ArrayBuffer(chunkBytes), signal))
      }),
  }
}

/** `null` in browsers whose streams of Blobs hand out memory of their own only (Safari). */
function byteReader(slice: Blob): ReadableStreamBYOBReader | null {
  try {
    return slice.stream().getReader({ mode: 'byob' })
  } catch {
    return null
  }
}

/** Through `buffer` again and again, since streams take shared memory from nobody; returns what has become of it. */
async function fill(
  into: Uint8Array,
  reader: ReadableStreamBYOBReader,
  buffer: ArrayBuffer,
  signal: AbortSignal | undefined,
): Promise<ArrayBuffer> {
  let passing = buffer
  waiting.add(reader)
  try {
    for (let filled = 0; filled < into.length; ) {
      throwIfAborted(signal)
      const { value, done } = await reader.read(new Uint8Array(passing))
      if (done) throw new TypeError('the file ended early')
      passing = value.buffer
      into.set(value, filled)
      filled += value.length
    }
  } finally {
    waiting.delete(reader)
    // Nothing is left to read, or nobody reads it.
    reader.cancel().catch(() => undefined)
  }
  return passing
}

function unreadable(name: string, range: { readonly start: number; readonly end: number }, cause: unknown): StudioError {
  return new StudioError(
    'file-missing',
    {
      title: `${name} can no longer be read`,
      message: `${name} was changed, moved or deleted after it was chosen, or the browser withdrew access to it.`,
      remedy: 'Choose the file again; what is finished is kept.',
      details: { file: name, ...range },
    },
    { cause },
  )
}
