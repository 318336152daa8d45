import type { KernelExports } from './module.ts'

/** Bytes that a kernel may read or write past the end of an array; kernels need no scalar tails so. */
const slack = 128
const pageBytes = 65536

type Values = Float32Array | Float64Array | Int32Array | Uint32Array | Int8Array | Uint8Array

/** Places the arrays of one call after each other in the memory of the module; the next call starts over. */
export class Arena {
  readonly #memory: WebAssembly.Memory
  #base: number
  #top: number

  constructor({ memory, heapBase }: KernelExports) {
    this.#memory = memory
    this.#base = Math.ceil(heapBase() / 64) * 64
    this.#top = this.#base
  }

  reset(): void {
    this.#top = this.#base
  }

  /** What lies below `end` stays for as long as the instance lives. */
  keep(end: number): void {
    this.#base = Math.ceil((end + slack) / 64) * 64
    this.reset()
  }

  /** Room for `bytes`, holding whatever was there. */
  take(bytes: number): number {
    const at = this.#top
    this.#top = at + Math.ceil((bytes + slack) / 64) * 64
    const missing = this.#top - this.#memory.buffer.byteLength
    if (missing > 0) this.#memory.grow(Math.ceil(missing / pageBytes))
    return at
  }

  /** Room for `bytes`, all 0. */
  takeZeroed(bytes: number): number {
    const at = this.take(bytes)
    new Uint8Array(this.#memory.buffer, at, bytes).fill(0)
    return at
  }

  put(values: Values): number {
    const at = this.take(values.byteLength)
    this.write(at, values)
    return at
  }

  /** To the beginning of a room that is large enough. */
  write(at: number, values: Values): void {
    new Uint8Array(this.#memory.buffer, at).set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
  }

  /** What lies there, until the next call changes it or the memory grows. */
  view(at: number, length: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#memory.buffer, at, length)
  }

  floatView(at: number, length: number): Float32Array<ArrayBuffer> {
    return new Float32Array(this.#memory.buffer, at, length)
  }

  bytes(at: number, length: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#memory.buffer, at, length).slice()
  }

  floats(at: number, length: number): Float32Array<ArrayBuffer> {
    return new Float32Array(this.#memory.buffer, at, length).slice()
  }

  doubles(at: number, length: number): Float64Array<ArrayBuffer> {
    return new Float64Array(this.#memory.buffer, at, length).slice()
  }

  counts(at: number, length: number): Uint32Array<ArrayBuffer> {
    return new Uint32Array(this.#memory.buffer, at, length).slice()
  }
}
