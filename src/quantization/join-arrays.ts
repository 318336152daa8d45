import { widenValues } from '../core/widen.ts'

/** All bytes, one part after the other. */
export function joinBytes(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** All floats, one part after the other. */
export function joinFloats(parts: readonly Float32Array[]): Float32Array<ArrayBuffer> {
  const whole = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** `count` floats from byte `start` on: a view where they lie on a boundary of four, else a copy. */
export function floatsIn(bytes: Uint8Array<ArrayBuffer>, start: number, count: number): Float32Array<ArrayBuffer> {
  return widenValues('F32', bytes.subarray(start, start + 4 * count))
}

/** The bytes of floats, little endian as every machine of ours is; a view. */
export function bytesOfFloats<Memory extends ArrayBufferLike>(floats: Float32Array<Memory>): Uint8Array<Memory> {
  return new Uint8Array(floats.buffer, floats.byteOffset, floats.byteLength)
}

/** The bytes of halves, little endian; a view. */
export function bytesOfHalves(halves: Uint16Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return new Uint8Array(halves.buffer, halves.byteOffset, halves.byteLength)
}
