import { throwIfAborted } from '../core/errors.ts'
import type { ByteSource } from './byte-source.ts'
import { assertRange } from './range.ts'

/** Bytes that are already here. Reads copy, so that the caller owns the result as the contract says. */
export function memorySource(name: string, bytes: Uint8Array): ByteSource {
  return {
    name,
    sizeBytes: bytes.byteLength,
    async read(start, end, signal) {
      throwIfAborted(signal)
      assertRange(name, bytes.byteLength, start, end)
      return Uint8Array.from(bytes.subarray(start, end))
    },
    async readInto(into, start, signal) {
      throwIfAborted(signal)
      assertRange(name, bytes.byteLength, start, start + into.length)
      into.set(bytes.subarray(start, start + into.length))
    },
  }
}
