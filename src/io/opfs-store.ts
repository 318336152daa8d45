import { blobSource } from './blob-source.ts'
import type { ByteSink } from './byte-sink.ts'
import type { ByteSource } from './byte-source.ts'
import type { FileStore, StoredFile } from './file-store.ts'
import { fileHandleSink } from './handle-sink.ts'
import { partialSuffix, splitStorePath, storageError, storageFull } from './store-path.ts'

/** What workers have beyond the DOM types; every member may be absent. */
interface WorkerFileHandle {
  createSyncAccessHandle?(): Promise<{
    write(bytes: Uint8Array<ArrayBuffer>, options: { at: number }): number
    truncate(size: number): void
    flush(): void
    close(): void
  }>
  move?(folder: FileSystemDirectoryHandle, name: string): Promise<void>
}

/**
 * The origin private file system as a store. In workers of Chromium, Firefox and Safari 15.2 on it writes through a sync
 * access handle to `NAME.partial` and moves that into place; elsewhere through `createWritable`, which swaps by itself.
 * Reading uses `getFile`, which any number of readers may do at once.
 */
export class OpfsFileStore implements FileStore {
  readonly #parts: readonly string[]

  /** `folder` is where in the origin's storage this store lives, so that stores can be listed and cleared apart. */
  constructor(folder: string) {
    this.#parts = splitStorePath(folder)
  }

  async create(path: string): Promise<ByteSink> {
    const parts = splitStorePath(path)
    const name = parts.at(-1) ?? ''
    try {
      const folder = await this.#folder(parts.slice(0, -1), true)
      if (folder === null) throw new TypeError('a folder that was made is missing')
      const partial = await folder.getFileHandle(`${name}${partialSuffix}`, { create: true })
      const worker = partial as WorkerFileHandle
      if (worker.createSyncAccessHandle !== undefined && worker.move !== undefined) return await syncSink({ path, name, folder, partial })
      await folder.removeEntry(partial.name)
      return await fileHandleSink(await folder.getFileHandle(name, { create: true }))
    } catch (cause) {
      throw storageError('Writing', path, cause)
    }
  }

  async open(path: string): Promise<ByteSource | null> {
    const parts = splitStorePath(path)
    try {
      const folder = await this.#folder(parts.slice(0, -1), false)
      const handle = await folder?.getFileHandle(parts.at(-1) ?? '')
      return handle === undefined ? null : blobSource(path, await handle.getFile())
    } catch (cause) {
      if (isAbsent(cause)) return null
      throw storageError('Reading', path, cause)
    }
  }

  async list(folder: string): Promise<StoredFile[]> {
    const found: StoredFile[] = []
    const addFrom = async (handle: FileSystemDirectoryHandle, prefix: string): Promise<void> => {
      for await (const [name, entry] of handle.entries()) {
        if (entry.kind === 'directory') await addFrom(entry as FileSystemDirectoryHandle, `${prefix}${name}/`)
        else if (!name.endsWith(partialSuffix)) {
          const { size } = await (entry as FileSystemFileHandle).getFile()
          found.push({ path: `${prefix}${name}`, sizeBytes: size })
        }
      }
    }
    const parts = folder === '' ? [] : splitStorePath(folder)
    try {
      const handle = await this.#folder(parts, false)
      if (handle !== null) await addFrom(handle, folder === '' ? '' : `${folder}/`)
    } catch (cause) {
      throw storageError('Listing', folder, cause)
    }
    return found.sort((a, b) => (a.path < b.path ? -1 : 1))
  }

  async delete(path: string): Promise<void> {
    const parts = splitStorePath(path)
    try {
      const folder = await this.#folder(parts.slice(0, -1), false)
      await folder?.removeEntry(parts.at(-1) ?? '', { recursive: true })
    } catch (cause) {
      if (!isAbsent(cause)) throw storageError('Deleting', path, cause)
    }
  }

  /** Used: this store's files. Free: what the browser still grants the origin, an estimate by its own account. */
  async estimate(): Promise<{ readonly usedBytes: number; readonly freeBytes: number }> {
    const { quota = 0, usage = 0 } = await navigator.storage.estimate()
    const usedBytes = (await this.list('')).reduce((sum, file) => sum + file.sizeBytes, 0)
    return { usedBytes, freeBytes: Math.max(0, quota - usage) }
  }

  /** A folder of this store; `null` when it does not exist and is not to be made. */
  async #folder(parts: readonly string[], create: boolean): Promise<FileSystemDirectoryHandle | null> {
    try {
      let handle = await navigator.storage.getDirectory()
      for (const part of [...this.#parts, ...parts]) handle = await handle.getDirectoryHandle(part, { create })
      return handle
    } catch (cause) {
      if (!create && isAbsent(cause)) return null
      throw cause
    }
  }
}

interface PartialFile {
  readonly path: string
  readonly name: string
  readonly folder: FileSystemDirectoryHandle
  readonly partial: FileSystemFileHandle
}

async function syncSink({ path, name, folder, partial }: PartialFile): Promise<ByteSink> {
  const worker = partial as WorkerFileHandle
  const handle = await worker.createSyncAccessHandle?.()
  if (handle === undefined) throw new TypeError('sync access handles went away')
  handle.truncate(0) // a crash may have left an older one
  let at = 0
  let isOpen = true
  return {
    async write(bytes) {
      try {
        const written = handle.write(bytes, { at })
        at += written
        // Safari reports a full disk by writing less.
        if (written < bytes.byteLength) throw storageFull(path)
      } catch (cause) {
        throw storageError('Writing', path, cause)
      }
    },
    async close() {
      if (!isOpen) return
      isOpen = false
      try {
        handle.flush()
        handle.close()
        await worker.move?.(folder, name)
      } catch (cause) {
        await folder.removeEntry(partial.name).catch(() => undefined)
        throw storageError('Writing', path, cause)
      }
    },
    async abort() {
      if (!isOpen) return
      isOpen = false
      handle.close()
      await folder.removeEntry(`${name}${partialSuffix}`).catch(() => undefined)
    },
  }
}

function isAbsent(cause: unknown): boolean {
  return cause instanceof Error && (cause.name === 'NotFoundError' || cause.name === 'TypeMismatchError')
}
