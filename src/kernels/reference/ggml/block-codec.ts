/**
 * One ggml type, one block at a time: `values` has the block's elements, all finite, and the block lies at `at` in `bytes`.
 */
export interface BlockCodec {
  encode(values: Float32Array, bytes: DataView, at: number): void
  decode(bytes: DataView, at: number, values: Float32Array): void
}

/**
 * 1 / scale as ggml takes it: 0 for a scale of 0. A scale below 2^-128 or so has no finite inverse, and what C does then is
 * undefined; here such a block gets an inverse of 0 too. Its scale is stored as half 0, so it decodes to the same values.
 */
export function inverseScale(scale: number): number {
  if (scale === 0) return 0
  const inverse = Math.fround(1 / scale)
  return Number.isFinite(inverse) ? inverse : 0
}

/** Element of largest magnitude, the first one where several are; 0 when all are 0, whatever their sign. */
export function largestElement(values: Float32Array): number {
  let largest = 0
  let magnitude = 0
  for (const value of values) {
    if (Math.abs(value) > magnitude) {
      magnitude = Math.abs(value)
      largest = value
    }
  }
  return largest
}

/** 32 codes of 4 bits in 16 bytes: code j in the low half of byte j, code j + 16 in the high half. */
export function writeNibbles(bytes: DataView, at: number, code: (element: number) => number): void {
  for (let j = 0; j < 16; j++) bytes.setUint8(at + j, code(j) | (code(j + 16) << 4))
}

export function readNibble(bytes: DataView, at: number, element: number): number {
  return element < 16 ? bytes.getUint8(at + element) & 15 : bytes.getUint8(at + element - 16) >>> 4
}
