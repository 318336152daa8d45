import { sharedBytes } from '../core/shared-memory.ts'
import type { ResultMemory } from '../kernels/contract/kernels.ts'

/**
 * Memory for the tiles in work and what is made of them, which the kernel threads read and write where it lies. It is used again
 * for the next tiles: fresh memory would be cleared page by page and collected, for every byte of the model. There are never
 * more buffers than were in use at one time.
 */
export class TileBuffers implements ResultMemory {
  readonly #own = new WeakSet<ArrayBufferLike>()
  /** From the smallest to the largest. */
  #free: ArrayBufferLike[] = []

  /** So many bytes, holding whatever was there. */
  take(bytes: number): Uint8Array {
    const at = this.#free.findIndex(({ byteLength }) => byteLength >= bytes)
    // Where none is large enough, a larger one takes the place of the largest.
    const [found] = this.#free.splice(at, 1)
    const buffer = at < 0 || found === undefined ? sharedBytes(bytes).buffer : found
    this.#own.add(buffer)
    return new Uint8Array(buffer, 0, bytes)
  }

  /** Takes back what `take` gave and nothing needs any more. Arrays in other memory, or in memory that is back, are left alone. */
  give(arrays: readonly ArrayBufferView[]): void {
    for (const { buffer } of arrays) if (this.#own.has(buffer) && !this.#free.includes(buffer)) this.#free.push(buffer)
    this.#free.sort((a, b) => a.byteLength - b.byteLength)
  }
}
