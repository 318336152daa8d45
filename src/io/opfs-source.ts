import { throwIfAborted } from '../core/errors.ts'
import { blobSource } from './blob-source.ts'
import type { ByteSource } from './byte-source.ts'
import { assertRange } from './range.ts'
import { readInto } from './read-into.ts'

/** What OPFS handles have that the DOM types leave out, or know in workers only. */
interface OpfsFileHandle {
  /** Replaces an existing file of that name. */
  move(folder: FileSystemDirectoryHandle, name: string): Promise<void>
  /** In dedicated workers only. Browsers that do not know `read-only` lock the file to one handle. */
  createSyncAccessHandle?(options?: { readonly mode: 'read-only' }): Promise<SyncHandle>
}

interface SyncHandle {
  read(into: Uint8Array, options: { at: number }): number
  write(bytes: Uint8Array<ArrayBuffer>, options: { at: number }): number
  getSize(): number
  truncate(size: number): void
  flush(): void
  close(): void
}

export function opfsHandle(file: FileSystemFileHandle): OpfsFileHandle {
  return file as unknown as OpfsFileHandle
}

/** Opening a sync access handle takes as long as reading so much. */
const leastHandleBytes = 2 ** 18

/**
 * A file of OPFS. Large reads go through a sync access handle, where this thread has one and nobody else locks the file: the
 * system then fills the caller's memory, while the bytes of a Blob pass from process to process in small pieces.
 */
export function opfsSource(path: string, file: FileSystemFileHandle, blob: Blob): ByteSource {
  const slow = blobSource(path, blob)
  const fill = async (into: Uint8Array, start: number, signal: AbortSignal | undefined): Promise<void> => {
    throwIfAborted(signal)
    assertRange(path, blob.size, start, start + into.length)
    const handle = into.length < leastHandleBytes ? null : await openSync(file, blob.size)
    if (handle === null) return readInto(slow, into, start, signal)
    try {
      for (let filled = 0; filled < into.length; ) {
        const bytes = handle.read(into.subarray(filled), { at: start + filled })
        if (bytes === 0) assertRange(path, start + filled, start, start + into.length) // the file became shorter
        filled += bytes
      }
    } finally {
      handle.close()
    }
  }
  return {
    name: path,
    sizeBytes: blob.size,
    async read(start, end, signal) {
      if (end - start < leastHandleBytes) return slow.read(start, end, signal)
      assertRange(path, blob.size, start, end)
      const bytes = new Uint8Array(end - start)
      await fill(bytes, start, signal)
      return bytes
    },
    readInto: fill,
  }
}

/** `null` where there are no sync access handles, another one has the file, or it is not the file any more that was opened. */
async function openSync(file: FileSystemFileHandle, sizeBytes: number): Promise<SyncHandle | null> {
  try {
    const handle = await opfsHandle(file).createSyncAccessHandle?.({ mode: 'read-only' })
    if (handle === undefined || handle.getSize() === sizeBytes) return handle ?? null
    handle.close()
    return null
  } catch {
    return null
  }
}
