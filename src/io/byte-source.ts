/**
 * A file is a size and a slice. Files, HTTP ranges, OPFS entries and buffers all look like this;
 * caches and counters are decorators of it.
 */
export interface ByteSource {
  /** File name as the person knows it, for messages. */
  readonly name: string
  readonly sizeBytes: number
  /** Names the content where the medium knows it (hub object id): equal ids mean equal bytes. */
  readonly contentId?: string
  /**
   * Bytes [start, end), end exclusive. The caller owns the result. Throws `StudioError` (`file-damaged`) when the range
   * is outside the file, and whatever the medium throws otherwise. Abort rejects with `aborted`.
   */
  read(start: number, end: number, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>>
  /**
   * Fills `into` with the bytes from `start` on, for media that need no memory of their own; see `readInto` for the others.
   * Same faults; after one the contents of `into` are undefined.
   */
  readInto?(into: Uint8Array, start: number, signal?: AbortSignal): Promise<void>
}
