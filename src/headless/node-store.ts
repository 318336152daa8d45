import { constants, type FileHandle, mkdir, open, readdir, rename, rm, rmdir, stat, statfs } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { ByteSink } from '../io/byte-sink.ts'
import type { ByteSource } from '../io/byte-source.ts'
import type { FileEditor, FileStore, StoredFile } from '../io/file-store.ts'
import { partialSuffix, splitStorePath, storageError } from '../io/store-path.ts'
import { nodeFileSource } from './node-source.ts'

/**
 * Writes `PATH.partial` and renames it on close, so a program that ends early never leaves half a file under the final name.
 * A durable file is on the disk itself when it is closed and outlives a loss of power; that waits for the disk.
 */
export async function nodeFileSink(path: string, { isDurable = true } = {}): Promise<ByteSink> {
  const partial = `${path}${partialSuffix}`
  let file: FileHandle | null
  try {
    await mkdir(dirname(path), { recursive: true })
    file = await open(partial, 'w')
  } catch (cause) {
    throw storageError('Writing', path, cause)
  }
  return {
    async write(bytes) {
      if (file === null) throw new TypeError('this sink is closed')
      try {
        let written = 0
        while (written < bytes.length) written += (await file.write(bytes, written)).bytesWritten
      } catch (cause) {
        throw storageError('Writing', path, cause)
      }
    },
    async close() {
      if (file === null) return
      try {
        if (isDurable) await file.sync()
        await file.close()
        file = null
        await rename(partial, path)
      } catch (cause) {
        throw storageError('Writing', path, cause)
      }
    },
    async abort() {
      await file?.close().catch(() => undefined)
      file = null
      await rm(partial, { force: true }).catch(() => undefined)
    },
  }
}

/** Writes into a file at any place; the file is made where there is none. */
async function nodeFileEditor(path: string, { isDurable }: { readonly isDurable: boolean }): Promise<FileEditor> {
  const writing = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work()
    } catch (cause) {
      throw storageError('Writing', path, cause)
    }
  }
  const file = await writing(async () => {
    await mkdir(dirname(path), { recursive: true })
    return open(path, constants.O_RDWR | constants.O_CREAT)
  })
  return {
    write: (bytes, at) =>
      writing(async () => {
        let written = 0
        while (written < bytes.length) written += (await file.write(bytes, written, bytes.length - written, at + written)).bytesWritten
      }),
    flush: () => writing(async () => (isDurable ? file.sync() : undefined)),
    close: () => writing(() => file.close()),
  }
}

/** A directory as a store: what OPFS is to the page. The directory is made when first written to. */
export class NodeFileStore implements FileStore {
  readonly #root: string
  readonly #options: { readonly isDurable: boolean }

  constructor(root: string, options = { isDurable: true }) {
    this.#root = root
    this.#options = options
  }

  async create(path: string): Promise<ByteSink> {
    return nodeFileSink(join(this.#root, ...splitStorePath(path)), this.#options)
  }

  async edit(path: string): Promise<FileEditor> {
    return nodeFileEditor(join(this.#root, ...splitStorePath(path)), this.#options)
  }

  async open(path: string): Promise<ByteSource | null> {
    const full = join(this.#root, ...splitStorePath(path))
    const found = await stat(full).catch(() => null)
    return found?.isFile() === true ? nodeFileSource(full, path) : null
  }

  async list(folder: string): Promise<StoredFile[]> {
    const found: StoredFile[] = []
    const addFrom = async (parts: readonly string[]): Promise<void> => {
      const entries = await readdir(join(this.#root, ...parts), { withFileTypes: true }).catch(() => [])
      for (const entry of entries) {
        const inner = [...parts, entry.name]
        if (entry.isDirectory()) await addFrom(inner)
        else if (!entry.name.endsWith(partialSuffix)) {
          const { size } = await stat(join(this.#root, ...inner))
          found.push({ path: inner.join('/'), sizeBytes: size })
        }
      }
    }
    await addFrom(folder === '' ? [] : splitStorePath(folder))
    return found.sort((a, b) => (a.path < b.path ? -1 : 1))
  }

  async delete(path: string): Promise<void> {
    const parts = path === '' ? [] : splitStorePath(path)
    try {
      await rm(join(this.#root, ...parts), { recursive: true, force: true })
      // Folders exist only because of their files (contract); drop the ones this emptied.
      for (let depth = parts.length - 1; depth > 0; depth--) await rmdir(join(this.#root, ...parts.slice(0, depth))).catch(() => undefined)
    } catch (cause) {
      throw storageError('Deleting', path, cause)
    }
  }

  async estimate(): Promise<{ readonly usedBytes: number; readonly freeBytes: number }> {
    const usedBytes = (await this.list('')).reduce((sum, file) => sum + file.sizeBytes, 0)
    let at = this.#root
    for (;;) {
      const facts = await statfs(at).catch(() => null)
      if (facts !== null) return { usedBytes, freeBytes: facts.bavail * facts.bsize }
      if (dirname(at) === at) return { usedBytes, freeBytes: 0 }
      at = dirname(at)
    }
  }
}
