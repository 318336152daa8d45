/**
 * Memory that worker threads read where it lies: what is large and goes to the kernels is best read into it, since arrays in
 * other memory are copied for them. Pages have it when they are isolated (COOP and COEP), Node always.
 */
export function canShareMemory(): boolean {
  return typeof SharedArrayBuffer === 'function'
}

/** Zeroed bytes in shared memory, or in memory of this thread alone where nothing can be shared. */
export function sharedBytes(length: number): Uint8Array {
  return new Uint8Array(bufferOf(length))
}

/** Zeroed f32 in shared memory, or in memory of this thread alone where nothing can be shared. */
export function sharedFloats(length: number): Float32Array {
  return new Float32Array(bufferOf(4 * length))
}

/** Whether other threads see the same bytes: such an array is handed over without a copy. */
export function isShared({ buffer }: ArrayBufferView): boolean {
  return !(buffer instanceof ArrayBuffer)
}

/** The bytes in memory of this thread alone, copied only where they are not: files, Blobs and hashes of the browser refuse shared memory. */
export function ownBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return isShared(bytes) ? bytes.slice() : (bytes as Uint8Array<ArrayBuffer>)
}

function bufferOf(byteLength: number): ArrayBufferLike {
  return canShareMemory() ? new SharedArrayBuffer(byteLength) : new ArrayBuffer(byteLength)
}
