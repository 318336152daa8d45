import type { ByteSink } from './byte-sink.ts'
import type { ByteSource } from './byte-source.ts'
import type { FileEditor, FileStore, StoredFile } from './file-store.ts'
import { memorySource } from './memory-source.ts'
import { splitStorePath, storageFull } from './store-path.ts'

/** Gathers what is written; `bytes` is the whole once closed. For small files and tests. */
export class MemorySink implements ByteSink {
  readonly #pieces: Uint8Array[] = []
  readonly #onClose: (bytes: Uint8Array<ArrayBuffer>) => void
  #sizeBytes = 0
  #isOpen = true
  #whole: Uint8Array<ArrayBuffer> | null = null

  constructor(onClose: (bytes: Uint8Array<ArrayBuffer>) => void = () => undefined) {
    this.#onClose = onClose
  }

  /** What was written; empty before `close` and after `abort`. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#whole ?? new Uint8Array(0)
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  async write(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    if (!this.#isOpen) throw new TypeError('this sink is closed')
    this.#pieces.push(bytes.slice())
    this.#sizeBytes += bytes.byteLength
  }

  async close(): Promise<void> {
    if (!this.#isOpen) return
    this.#isOpen = false
    const whole = new Uint8Array(this.#sizeBytes)
    let at = 0
    for (const piece of this.#pieces) {
      whole.set(piece, at)
      at += piece.byteLength
    }
    this.#pieces.length = 0
    this.#whole = whole
    this.#onClose(whole)
  }

  async abort(): Promise<void> {
    this.#isOpen = false
    this.#pieces.length = 0
  }
}

export interface MemoryFileStoreOptions {
  /** Writing past it is `storage-full`, as a browser's quota would be. Default: no limit. */
  readonly limitBytes?: number
}

/** A store for tests and for sessions without OPFS (private windows of some browsers). Gone when the page is closed. */
export class MemoryFileStore implements FileStore {
  readonly #files = new Map<string, Uint8Array<ArrayBuffer>>()
  readonly #limitBytes: number
  /** Bytes written by sinks that are not closed yet. */
  #pendingBytes = 0

  constructor(options: MemoryFileStoreOptions = {}) {
    this.#limitBytes = options.limitBytes ?? Number.POSITIVE_INFINITY
  }

  get #usedBytes(): number {
    return [...this.#files.values()].reduce((sum, bytes) => sum + bytes.byteLength, 0)
  }

  async create(path: string): Promise<ByteSink> {
    splitStorePath(path)
    const sink = new MemorySink((bytes) => this.#files.set(path, bytes))
    const release = () => {
      this.#pendingBytes -= sink.sizeBytes
    }
    return {
      write: async (bytes) => {
        if (this.#usedBytes + this.#pendingBytes + bytes.byteLength > this.#limitBytes) throw storageFull(path)
        await sink.write(bytes)
        this.#pendingBytes += bytes.byteLength
      },
      close: async () => {
        release()
        await sink.close()
      },
      abort: async () => {
        release()
        await sink.abort()
      },
    }
  }

  async edit(path: string): Promise<FileEditor> {
    splitStorePath(path)
    let whole = this.#files.get(path) ?? new Uint8Array()
    this.#files.set(path, whole)
    return {
      write: async (bytes, at) => {
        const end = Math.max(whole.byteLength, at + bytes.byteLength)
        if (this.#usedBytes + this.#pendingBytes + end - whole.byteLength > this.#limitBytes) throw storageFull(path)
        if (end > whole.buffer.byteLength) {
          const roomy = new Uint8Array(2 * end)
          roomy.set(whole)
          whole = roomy
        }
        whole = new Uint8Array(whole.buffer, 0, end)
        whole.set(bytes, at)
        this.#files.set(path, whole)
      },
      flush: async () => undefined,
      close: async () => undefined,
    }
  }

  async open(path: string): Promise<ByteSource | null> {
    splitStorePath(path)
    const bytes = this.#files.get(path)
    return bytes === undefined ? null : memorySource(path, bytes)
  }

  async list(folder: string): Promise<StoredFile[]> {
    const prefix = folder === '' ? '' : `${splitStorePath(folder).join('/')}/`
    return [...this.#files]
      .filter(([path]) => path.startsWith(prefix))
      .map(([path, bytes]) => ({ path, sizeBytes: bytes.byteLength }))
      .sort((a, b) => (a.path < b.path ? -1 : 1))
  }

  async delete(path: string): Promise<void> {
    const folder = path === '' ? '' : splitStorePath(path).join('/')
    for (const key of this.#files.keys()) if (folder === '' || key === folder || key.startsWith(`${folder}/`)) this.#files.delete(key)
  }

  async estimate(): Promise<{ readonly usedBytes: number; readonly freeBytes: number }> {
    const usedBytes = this.#usedBytes
    const freeBytes = Number.isFinite(this.#limitBytes) ? Math.max(0, this.#limitBytes - usedBytes) : Number.MAX_SAFE_INTEGER
    return { usedBytes, freeBytes }
  }
}
