import type { ByteSink } from './byte-sink.ts'
import { HandleFileStore } from './handle-store.ts'
import { partialSuffix, splitStorePath, storageError, storageFull } from './store-path.ts'

/** What OPFS handles have that the DOM types leave out, or know in workers only. */
interface OpfsFileHandle {
  /** Replaces an existing file of that name. */
  move(folder: FileSystemDirectoryHandle, name: string): Promise<void>
  /** In dedicated workers only. */
  createSyncAccessHandle?(): Promise<{
    write(bytes: Uint8Array<ArrayBuffer>, options: { at: number }): number
    truncate(size: number): void
    flush(): void
    close(): void
  }>
}

function opfsHandle(file: FileSystemFileHandle): OpfsFileHandle {
  return file as unknown as OpfsFileHandle
}

/**
 * A folder of the origin private file system as a store. Writes go to `NAME.partial`, which is moved into place when
 * closed: through a sync access handle in workers (Chromium 102, Firefox 111, Safari 15.2 and later), else through
 * `createWritable`. `freeBytes` is what the browser still grants the origin, an estimate by its own account.
 */
export class OpfsFileStore extends HandleFileStore {
  /** `folder` is where in the origin's storage this store lives, so that stores can be listed and cleared apart. */
  constructor(folder: string) {
    const parts = splitStorePath(folder)
    super({
      async root(create) {
        let handle = await navigator.storage.getDirectory()
        for (const part of parts) handle = await handle.getDirectoryHandle(part, { create })
        return handle
      },
      async createFile(inside, name, path) {
        const partial = await inside.getFileHandle(`${name}${partialSuffix}`, { create: true })
        return partialSink({ path, name, folder: inside, partial })
      },
      async freeBytes() {
        const { quota = 0, usage = 0 } = await navigator.storage.estimate()
        return Math.max(0, quota - usage)
      },
    })
  }
}

interface PartialFile {
  readonly path: string
  readonly name: string
  readonly folder: FileSystemDirectoryHandle
  readonly partial: FileSystemFileHandle
}

/** Bytes appended to a partial file by whichever way this thread has. */
interface Appender {
  append(bytes: Uint8Array<ArrayBuffer>): Promise<void>
  finish(): Promise<void>
}

async function partialSink({ path, name, folder, partial }: PartialFile): Promise<ByteSink> {
  const appender = (await syncAppender(partial, path)) ?? (await streamAppender(partial))
  let isOpen = true
  const discard = () => folder.removeEntry(partial.name).catch(() => undefined)
  return {
    async write(bytes) {
      try {
        await appender.append(bytes)
      } catch (cause) {
        throw storageError('Writing', path, cause)
      }
    },
    async close() {
      if (!isOpen) return
      isOpen = false
      try {
        await appender.finish()
        await opfsHandle(partial).move(folder, name)
      } catch (cause) {
        await discard()
        throw storageError('Writing', path, cause)
      }
    },
    async abort() {
      if (!isOpen) return
      isOpen = false
      await appender.finish().catch(() => undefined)
      await discard()
    },
  }
}

/** `null` where there are no sync access handles: outside dedicated workers. */
async function syncAppender(file: FileSystemFileHandle, path: string): Promise<Appender | null> {
  const handle = await opfsHandle(file).createSyncAccessHandle?.()
  if (handle === undefined) return null
  handle.truncate(0) // a crash may have left an older one
  let at = 0
  return {
    async append(bytes) {
      const written = handle.write(bytes, { at })
      at += written
      // The specification lets a write end early; a disk that takes no more is full.
      if (written < bytes.byteLength) throw storageFull(path)
    },
    async finish() {
      handle.flush()
      handle.close()
    },
  }
}

async function streamAppender(file: FileSystemFileHandle): Promise<Appender> {
  const stream = await file.createWritable()
  return { append: (bytes) => stream.write(bytes), finish: () => stream.close() }
}
