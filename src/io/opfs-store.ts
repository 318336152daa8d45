import type { ByteSink } from './byte-sink.ts'
import type { ByteSource } from './byte-source.ts'
import type { FileEditor, FileStore, StoredFile } from './file-store.ts'
import { opfsHandle, opfsSource, type SyncHandle, whenUnlocked } from './opfs-source.ts'
import { partialSuffix, splitStorePath, storageError, storageFull } from './store-path.ts'

/**
 * The origin private file system as a store. Writes go to `NAME.partial`, which is moved into place when closed: through a
 * sync access handle in workers (Chromium 102, Firefox 111, Safari 15.2 and later), else through `createWritable`.
 * Any number of readers may read at once (`opfsSource`).
 */
export class OpfsFileStore implements FileStore {
  readonly #parts: readonly string[]
  readonly #isDurable: boolean

  /**
   * `folder` is where in the origin's storage this store lives, so that stores can be listed and cleared apart. A durable file
   * is on the disk itself when it is closed and outlives a loss of power; that waits for the disk.
   */
  constructor(folder: string, { isDurable = true } = {}) {
    this.#parts = splitStorePath(folder)
    this.#isDurable = isDurable
  }

  async create(path: string): Promise<ByteSink> {
    const parts = splitStorePath(path)
    const name = parts.at(-1) ?? ''
    try {
      const folder = await this.#folder(parts.slice(0, -1), true)
      if (folder === null) throw new TypeError('a folder that was made is missing')
      const partial = await folder.getFileHandle(`${name}${partialSuffix}`, { create: true })
      return await partialSink({ path, name, folder, partial, isDurable: this.#isDurable })
    } catch (cause) {
      throw storageError('Writing', path, cause)
    }
  }

  async edit(path: string): Promise<FileEditor | null> {
    const parts = splitStorePath(path)
    try {
      const folder = await this.#folder(parts.slice(0, -1), true)
      const file = await folder?.getFileHandle(parts.at(-1) ?? '', { create: true })
      return file === undefined ? null : await syncEditor(path, file, this.#isDurable)
    } catch (cause) {
      throw storageError('Writing', path, cause)
    }
  }

  async open(path: string): Promise<ByteSource | null> {
    const parts = splitStorePath(path)
    try {
      const folder = await this.#folder(parts.slice(0, -1), false)
      const handle = await folder?.getFileHandle(parts.at(-1) ?? '')
      return handle === undefined ? null : opfsSource(path, handle, await handle.getFile())
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
        else if (!isUnfinished(name)) {
          const sizeBytes = await sizeOf(entry as FileSystemFileHandle)
          if (sizeBytes !== null) found.push({ path: `${prefix}${name}`, sizeBytes })
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
    const parts = [...this.#parts, ...(path === '' ? [] : splitStorePath(path))]
    try {
      const folder = await descend(parts.slice(0, -1), false)
      await whenUnlocked(async () => folder?.removeEntry(parts.at(-1) ?? '', { recursive: true }))
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

  #folder(parts: readonly string[], create: boolean): Promise<FileSystemDirectoryHandle | null> {
    return descend([...this.#parts, ...parts], create)
  }
}

/** A folder of the origin's storage; `null` when it does not exist and is not to be made. */
async function descend(parts: readonly string[], create: boolean): Promise<FileSystemDirectoryHandle | null> {
  try {
    let handle = await navigator.storage.getDirectory()
    for (const part of parts) handle = await handle.getDirectoryHandle(part, { create })
    return handle
  } catch (cause) {
    if (!create && isAbsent(cause)) return null
    throw cause
  }
}

/** `null` when the file went away since it was listed. */
async function sizeOf(file: FileSystemFileHandle): Promise<number | null> {
  try {
    return (await file.getFile()).size
  } catch (cause) {
    if (isAbsent(cause)) return null
    throw cause
  }
}

interface PartialFile {
  readonly path: string
  readonly name: string
  readonly folder: FileSystemDirectoryHandle
  readonly partial: FileSystemFileHandle
  /** A stream says nothing about the disk. */
  readonly isDurable: boolean
}

/** Bytes appended to a partial file by whichever way this thread has. */
interface Appender {
  append(bytes: Uint8Array<ArrayBuffer>): Promise<void>
  finish(): Promise<void>
}

async function partialSink(file: PartialFile): Promise<ByteSink> {
  const { path, name, folder, partial } = file
  const appender = (await syncAppender(file)) ?? (await streamAppender(partial))
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
        await whenUnlocked(() => opfsHandle(partial).move(folder, name))
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
async function syncEditor(path: string, file: FileSystemFileHandle, isDurable: boolean): Promise<FileEditor | null> {
  // A reader may have one that locks the file, a little longer than it reads.
  const handle = await whenUnlocked(async () => opfsHandle(file).createSyncAccessHandle?.())
  if (handle === undefined) return null
  const writing = (work: () => void): Promise<void> =>
    new Promise<void>((resolve) => {
      work()
      resolve()
    }).catch((cause: unknown) => {
      throw storageError('Writing', path, cause)
    })
  return {
    write: (bytes, at) => writing(() => writeAt(handle, path, bytes, at)),
    flush: () => writing(() => (isDurable ? handle.flush() : undefined)),
    close: () => writing(() => handle.close()),
  }
}

/** `null` where there are no sync access handles: outside dedicated workers. */
async function syncAppender({ path, partial, isDurable }: PartialFile): Promise<Appender | null> {
  const handle = await opfsHandle(partial).createSyncAccessHandle?.()
  if (handle === undefined) return null
  // A crash may have left an older one. A file that was cut waits for the disk when it is closed (ext4).
  if (handle.getSize() > 0) handle.truncate(0)
  let at = 0
  return {
    async append(bytes) {
      writeAt(handle, path, bytes, at)
      at += bytes.byteLength
    },
    async finish() {
      if (isDurable) handle.flush()
      handle.close()
    },
  }
}

/** The specification lets a write end early; a disk that takes no more is full. */
function writeAt(handle: SyncHandle, path: string, bytes: Uint8Array<ArrayBuffer>, at: number): void {
  if (handle.write(bytes, { at }) < bytes.byteLength) throw storageFull(path)
}

async function streamAppender(file: FileSystemFileHandle): Promise<Appender> {
  const stream = await file.createWritable()
  return { append: (bytes) => stream.write(bytes), finish: () => stream.close() }
}

/** Not of this store's files: written to, or a swap file that Chromium shows while a stream is open. */
function isUnfinished(name: string): boolean {
  return name.endsWith(partialSuffix) || name.endsWith(`${partialSuffix}.crswap`)
}

function isAbsent(cause: unknown): boolean {
  return cause instanceof Error && (cause.name === 'NotFoundError' || cause.name === 'TypeMismatchError')
}
