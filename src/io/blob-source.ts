import { StudioError, throwIfAborted } from '../core/errors.ts'
import { BlobStreams } from './blob-stream.ts'
import type { ByteSource } from './byte-source.ts'
import { assertRange } from './range.ts'

/** Shorter reads are done in one go. */
const leastStreamBytes = 2 ** 20

/**
 * A dropped file, or any other Blob: only the asked slice is read. A file that changed or went away on disk since it was
 * chosen cannot be read any more (File API, "snapshot state"); that is `file-missing`.
 */
export function blobSource(name: string, blob: Blob): ByteSource {
  const streams = new BlobStreams(blob)
  const reading = async <T>(start: number, end: number, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> => {
    throwIfAborted(signal)
    assertRange(name, blob.size, start, end)
    try {
      return await work()
    } catch (cause) {
      throw cause instanceof StudioError ? cause : unreadable(name, { start, end }, cause)
    } finally {
      throwIfAborted(signal)
    }
  }
  const read = async (start: number, end: number): Promise<Uint8Array<ArrayBuffer>> =>
    new Uint8Array(await blob.slice(start, end).arrayBuffer())
  return {
    name,
    sizeBytes: blob.size,
    read: (start, end, signal) => reading(start, end, signal, () => read(start, end)),
    readInto: (into, start, signal) =>
      reading(start, start + into.length, signal, async () => {
        if (into.length < leastStreamBytes) into.set(await read(start, start + into.length))
        else await streams.readInto(into, start, signal)
      }),
  }
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
