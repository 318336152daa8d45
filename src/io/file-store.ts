import type { ByteSink } from './byte-sink.ts'
import type { ByteSource } from './byte-source.ts'

export interface StoredFile {
  readonly path: string
  readonly sizeBytes: number
}

/**
 * A private folder that outlives the session: OPFS in the page, a directory in Node, a map in tests.
 * Paths are relative, with `/`. Throws `StudioError` `storage-full` when the quota ends, `storage-fault` otherwise.
 */
export interface FileStore {
  /** Replaces the file when the sink is closed; the old one stays until then. */
  create(path: string): Promise<ByteSink>
  /** `null` when there is no such file. */
  open(path: string): Promise<ByteSource | null>
  /** All files below a folder, in name order; `''` is the whole store. */
  list(folder: string): Promise<StoredFile[]>
  /** Deletes a file, or a folder with all below it (`''`: everything); no error when there is none. */
  delete(path: string): Promise<void>
  /** What this store holds and what it may still take. */
  estimate(): Promise<{ readonly usedBytes: number; readonly freeBytes: number }>
}
