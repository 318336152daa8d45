import { isShared } from '../core/shared-memory.ts'
import type { Cut } from './executor.ts'

/** Smaller copies are allocated as quickly as they are looked up. */
const leastBytes = 2 ** 16

/**
 * Buffers that threads handed back with their answers. A copy into one of them costs a third of a copy into fresh memory, which
 * the system first maps and clears page by page.
 */
export class SpareBuffers {
  readonly #mostBytes: number
  /** The one given last is at the end. */
  #buffers: ArrayBuffer[] = []
  #bytes = 0

  /** Keeps up to `mostBytes`. */
  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes
  }

  /** Bytes held at the moment. */
  get bytes(): number {
    return this.#bytes
  }

  /** Takes over buffers that nothing else uses any more; the oldest ones make room. */
  give(buffers: readonly ArrayBuffer[]): void {
    for (const buffer of buffers) {
      if (buffer.byteLength < leastBytes) continue
      this.#buffers.push(buffer)
      this.#bytes += buffer.byteLength
    }
    while (this.#bytes > this.#mostBytes) this.#bytes -= this.#buffers.shift()?.byteLength ?? 0
  }

  /** A view of shared memory, else a copy. Pieces of a tensor are of one size: only a buffer of exactly that size is used. */
  readonly copy: Cut = (array, start, end) => {
    if (isShared(array)) return array.subarray(start, end) as typeof array
    const bytes = (end - start) * array.BYTES_PER_ELEMENT
    const at = this.#buffers.findLastIndex(({ byteLength }) => byteLength === bytes)
    const [spare] = at < 0 ? [] : this.#buffers.splice(at, 1)
    if (spare === undefined) return array.slice(start, end) as typeof array
    this.#bytes -= bytes
    const Type = array.constructor as new (buffer: ArrayBuffer) => typeof array
    const copied = new Type(spare)
    copied.set(array.subarray(start, end))
    return copied
  }

  clear(): void {
    this.#buffers = []
    this.#bytes = 0
  }
}
