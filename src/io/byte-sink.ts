/** Ordered writing with back-pressure: await each `write` before the next. */
export interface ByteSink {
  /** Appends. The sink may keep the buffer until the promise settles, not longer. */
  write(bytes: Uint8Array<ArrayBuffer>): Promise<void>
  /** Makes what was written durable under its final name. */
  close(): Promise<void>
  /** Drops what was written; nothing half-written stays behind. Never throws. */
  abort(): Promise<void>
}
