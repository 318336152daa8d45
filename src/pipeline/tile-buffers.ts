import { sharedBytes } from '../core/shared-memory.ts'

/**
 * Memory for the tiles in work and what is made of them, which the kernel threads read and write where it lies. It is used again
 * for the next tiles: fresh memory would be cleared page by page and collected, for every byte of the model. There are never
 * more buffers than were in use at one time.
 */
export class TileBuffers {
  /** From the smallest to the largest. */
  readonly #free: ArrayBufferLike[] = []

  /** So many bytes, holding whatever was there. */
  take(bytes: number): Uint8Array {
    const at = this.#free.findIndex(({ byteLength }) => byteLength >= bytes)
    // Where none is large enough, a larger one takes the place of the largest.
    const [found] = this.#free.splice(at, 1)
    const buffer = at < 0 || found === undefined ? sharedBytes(bytes).buffer : found
    return new Uint8Array(buffer, 0, bytes)
  }

  /** Takes back what `take` gave and nothing needs any more. */
  give({ buffer }: Uint8Array): void {
    this.#free.push(buffer)
    this.#free.sort((a, b) => a.byteLength - b.byteLength)
  }
}
