import type { ByteSink } from './byte-sink.ts'
import { storageError } from './store-path.ts'

/** `FileSystemHandle.remove`, Chromium only and not in the DOM types. */
interface RemovableHandle {
  remove?(): Promise<void>
}

/**
 * Writes to a file handle, from the save picker or of OPFS. The browser writes to a copy and swaps it in on `close` (File
 * System Access, "FileSystemWritableFileStream"), so an abort leaves the old content. A picker makes an empty file before
 * the first byte; that one is removed on abort where the browser can.
 */
export async function fileHandleSink(handle: FileSystemFileHandle): Promise<ByteSink> {
  let wasEmpty: boolean
  let stream: FileSystemWritableFileStream
  try {
    wasEmpty = (await handle.getFile()).size === 0
    stream = await handle.createWritable()
  } catch (cause) {
    throw storageError('Writing', handle.name, cause)
  }
  return {
    async write(bytes) {
      try {
        await stream.write(bytes)
      } catch (cause) {
        throw storageError('Writing', handle.name, cause)
      }
    },
    async close() {
      try {
        await stream.close()
      } catch (cause) {
        throw storageError('Writing', handle.name, cause)
      }
    },
    async abort() {
      await stream.abort().catch(() => undefined)
      if (wasEmpty) await (handle as RemovableHandle).remove?.().catch(() => undefined)
    },
  }
}
