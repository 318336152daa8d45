import type { ByteSource } from './byte-source.ts'

/**
 * Fills memory of the caller's with the bytes of a source from `start` on. Who reads much reads it into the same memory again and
 * again: fresh memory is mapped and cleared page by page, which costs more than the copy, and has to be collected.
 */
export async function readInto(source: ByteSource, into: Uint8Array, start: number, signal?: AbortSignal): Promise<void> {
  if (source.readInto === undefined) into.set(await source.read(start, start + into.length, signal))
  else await source.readInto(into, start, signal)
}
