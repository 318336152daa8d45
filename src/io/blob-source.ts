import { StudioError, throwIfAborted } from '../core/errors.ts'
import type { ByteSource } from './byte-source.ts'
import { assertRange } from './range.ts'

/**
 * A dropped file, or any other Blob: only the asked slice is read. A file that changed or went away on disk since it was
 * chosen cannot be read any more (File API, "snapshot state"); that is `file-missing`.
 */
export function blobSource(name: string, blob: Blob): ByteSource {
  return {
    name,
    sizeBytes: blob.size,
    async read(start, end, signal) {
      throwIfAborted(signal)
      assertRange(name, blob.size, start, end)
      let buffer: ArrayBuffer
      try {
        buffer = await blob.slice(start, end).arrayBuffer()
      } catch (cause) {
        throw new StudioError(
          'file-missing',
          {
            title: `${name} can no longer be read`,
            message: `${name} was changed, moved or deleted after it was chosen, or the browser withdrew access to it.`,
            remedy: 'Choose the file again; what is finished is kept.',
            details: { file: name, start, end },
          },
          { cause },
        )
      }
      throwIfAborted(signal)
      return new Uint8Array(buffer)
    },
  }
}
