import { blobSource } from './blob-source.ts'
import type { ByteSink } from './byte-sink.ts'
import type { ByteSource } from './byte-source.ts'
import type { FileStore, StoredFile } from './file-store.ts'
import { fileHandleSink } from './handle-sink.ts'
import { partialSuffix, splitStorePath, storageError } from './store-path.ts'

/** What differs between folders of the origin private file system and folders that a person picked. */
export interface HandleFolder {
  /** The store's own folder; with `create` it is made. Rejects with `NotFoundError` when it does not exist. */
  root(create: boolean): Promise<FileSystemDirectoryHandle>
  /** A sink for a file of a folder; `path` is for messages. */
  createFile(folder: FileSystemDirectoryHandle, name: string, path: string): Promise<ByteSink>
  freeBytes(): Promise<number>
}

/**
 * A folder behind a `FileSystemDirectoryHandle` as a store. Reading uses `getFile`, which any number of readers may do at
 * once.
 */
export class HandleFileStore implements FileStore {
  readonly #place: HandleFolder

  constructor(place: HandleFolder) {
    this.#place = place
  }

  async create(path: string): Promise<ByteSink> {
    const parts = splitStorePath(path)
    const name = parts.at(-1) ?? ''
    try {
      const folder = await this.#folder(parts.slice(0, -1), true)
      if (folder === null) throw new TypeError('a folder that was made is missing')
      return await this.#place.createFile(folder, name, path)
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
    const parts = splitStorePath(path)
    try {
      const folder = await this.#folder(parts.slice(0, -1), false)
      await folder?.removeEntry(parts.at(-1) ?? '', { recursive: true })
    } catch (cause) {
      if (!isAbsent(cause)) throw storageError('Deleting', path, cause)
    }
  }

  async estimate(): Promise<{ readonly usedBytes: number; readonly freeBytes: number }> {
    const usedBytes = (await this.list('')).reduce((sum, file) => sum + file.sizeBytes, 0)
    return { usedBytes, freeBytes: await this.#place.freeBytes() }
  }

  /** A folder of this store; `null` when it does not exist and is not to be made. */
  async #folder(parts: readonly string[], create: boolean): Promise<FileSystemDirectoryHandle | null> {
    try {
      let handle = await this.#place.root(create)
      for (const part of parts) handle = await handle.getDirectoryHandle(part, { create })
      return handle
    } catch (cause) {
      if (!create && isAbsent(cause)) return null
      throw cause
    }
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

/** Not of this store's files: written to, or a swap file that Chromium shows while a stream is open. */
function isUnfinished(name: string): boolean {
  return name.endsWith(partialSuffix) || name.endsWith('.crswap')
}

function isAbsent(cause: unknown): boolean {
  return cause instanceof Error && (cause.name === 'NotFoundError' || cause.name === 'TypeMismatchError')
}

/**
 * A folder that a person picked to save into. The browser does not say how much the disk may still take, so `freeBytes` is
 * the largest number; a disk that is full answers while writing. Names it replaces are kept until the new file is closed.
 */
export class PickedFolderStore extends HandleFileStore {
  constructor(folder: FileSystemDirectoryHandle) {
    super({
      root: async () => folder,
      createFile: async (inside, name) => fileHandleSink(await inside.getFileHandle(name, { create: true })),
      freeBytes: async () => Number.MAX_SAFE_INTEGER,
    })
  }
}
