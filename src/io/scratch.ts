/**
 * What is left free in front. A new buffer begins 16 bytes into a page in Node, and files begin with one: copying between places so
 * little apart within their pages takes five times as long on many processors of AMD.
 */
const offset = 64

/** Memory for one thing after the other: fresh memory would be mapped, cleared and collected each time. */
export class Scratch {
  #memory = new Uint8Array(0)

  /** So many bytes, holding whatever was there, at a multiple of 64 in their buffer; what was taken before is given up. */
  take(bytes: number): Uint8Array<ArrayBuffer> {
    if (this.#memory.length < bytes) this.#memory = new Uint8Array(offset + bytes).subarray(offset)
    return this.#memory.subarray(0, bytes)
  }
}
