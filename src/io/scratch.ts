/** Memory for one thing after the other: fresh memory would be mapped, cleared and collected each time. */
export class Scratch {
  #buffer = new Uint8Array(0)

  /** So many bytes, holding whatever was there; what was taken before is given up. */
  take(bytes: number): Uint8Array<ArrayBuffer> {
    if (this.#buffer.length < bytes) this.#buffer = new Uint8Array(bytes)
    return this.#buffer.subarray(0, bytes)
  }
}
