import { sharedBytes } from '../core/shared-memory.ts'

/**
 * Memory for the tiles in work, which the kernel threads read where it lies. It is used again for the next tiles: fresh memory
 * would be cleared page by page and collected, for every byte of the model.
 */
export class TileBuffers {
  readonly #free: Uint8Array[] = []

  /** So many bytes, holding whatever was there. */
  take(bytes: number): Uint8Array {
    const at = this.#free.findIndex(({ length }) => length >= bytes)
    const [buffer = sharedBytes(bytes)] = at < 0 ? [] : this.#free.splice(at, 1)
    return buffer.subarray(0, bytes)
  }

  /** Takes back what `take` gave and nothing needs any more. */
  give({ buffer }: Uint8Array): void {
    this.#free.push(new Uint8Array(buffer))
  }
}
