import type { ByteSink } from './byte-sink.ts'
import type { ByteSource } from './byte-source.ts'

export interface StoredFile {
  readonly path: string
  readonly sizeBytes: number
}

/** Writes into a file that is there, at any place; see `FileStore.edit`. */
export interface FileEditor {
  /** Bytes from an offset on; what lies between the old end and the offset becomes zeros. Await each before the next. */
  write(bytes: Uint8Array<ArrayBuffer>, at: number): Promise<void>
  /** What was written so far outlives what files of the store outlive. */
  flush(): Promise<void>
  close(): Promise<void>
}

/**
 * A private folder that outlives the session: OPFS in the page, a directory in Node, a map in tests.
 * Paths are relative, with `/`. Throws `StudioError` `storage-full` when the quota ends, `storage-fault` otherwise.
 */
export interface FileStore {
  /** Replaces the file when the sink is closed; the old one stays until then. */
  create(path: string): Promise<ByteSink>
  /**
   * Opens a file to write to parts of it, an empty one where there is none; the rest stays as it is. Nobody else may edit it
   * meanwhile, and who opened it before need not be able to read on. `null` where the host writes files only as a whole (OPFS
   * outside of dedicated workers).
   */
  edit(path: string): Promise<FileEditor | null>
  /** `null` when there is no such file. */
  open(path: string): Promise<ByteSource | null>
  /** All files below a folder, in name order; `''` is the whole store. */
  list(folder: string): Promise<StoredFile[]>
  /** Deletes a file, or a folder with all below it (`''`: everything); no error when there is none. */
  delete(path: string): Promise<void>
  /** What this store holds and what it may still take. */
  estimate(): Promise<{ readonly usedBytes: number; readonly freeBytes: number }>
}
