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

export interface SyncHandle {
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
/** Milliseconds that a handle stays open for the next read of the file; it locks the file for so long (`whenUnlocked`). */
const idleMs = 20
const mostTries = 25

/**
 * A file of OPFS. Large reads go through a sync access handle, where this thread has one and nobody else locks the file: the
 * system then fills the caller's memory, while the bytes of a Blob pass from process to process in small pieces.
 */
export function opfsSource(path: string, file: FileSystemFileHandle, blob: Blob): ByteSource {
  const slow = blobSource(path, blob)
  let held: Promise<SyncHandle | null> | null = null
  let idle: ReturnType<typeof setTimeout> | undefined
  const fill = async (into: Uint8Array, start: number, signal: AbortSignal | undefined): Promise<void> => {
    throwIfAborted(signal)
    assertRange(path, blob.size, start, start + into.length)
    if (into.length < leastHandleBytes) return readInto(slow, into, start, signal)
    clearTimeout(idle)
    held ??= openSync(file, blob.size)
    const handle = await held
    const letGo = (): void => {
      held = null
      handle?.close()
    }
    if (handle === null) {
      letGo()
      return readInto(slow, into, start, signal)
    }
    clearTimeout(idle)
    try {
      for (let filled = 0; filled < into.length; ) {
        const bytes = handle.read(into.subarray(filled), { at: start + filled })
        if (bytes === 0) assertRange(path, start + filled, start, start + into.length) // the file became shorter
        filled += bytes
      }
    } catch (error) {
      letGo()
      throw error
    }
    idle = setTimeout(letGo, idleMs)
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

/**
 * Does what a lock forbids, such as deleting a file: again after a while, for readers of this or another thread keep a handle a
 * little longer than they read.
 */
export async function whenUnlocked<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work()
    } catch (cause) {
      const isLocked = cause instanceof Error && cause.name === 'NoModificationAllowedError'
      if (!isLocked || tries === mostTries) throw cause
      await new Promise((resolve) => setTimeout(resolve, idleMs))
    }
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
