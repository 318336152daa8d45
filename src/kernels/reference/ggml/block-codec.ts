/**
 * One ggml type, one block at a time: `values` has the block's elements, all finite, and the block lies at `at` in `bytes`,
 * which holds zeros before it is encoded.
 */
export interface BlockCodec {
  /** Absent for types that need importance. */
  encode?(values: Float32Array, bytes: DataView, at: number): void
  decode(bytes: DataView, at: number, values: Float32Array): void
  /** Encoding by importance; types without it ignore importance. */
  encodeWeighted?(values: Float32Array, bytes: DataView, at: number, weighting: Weighting): void
}

export interface Weighting {
  /** Of each element of the block: how much an error of its column counts. */
  readonly importance: Float32Array
  /** Mean of the squares of the block's whole row. */
  readonly rowMeanSquare: number
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

/** Least and largest element; of zeros of both signs the first one. */
export function rangeOf(values: Float32Array): { readonly min: number; readonly max: number } {
  let min = values[0] ?? 0
  let max = min
  for (const value of values) {
    if (value < min) min = value
    if (value > max) max = value
  }
  return { min, max }
}

/** 32 codes of 4 bits in 16 bytes: code j in the low half of byte j, code j + 16 in the high half; higher bits are left out. */
export function writeNibbles(bytes: DataView, at: number, code: (element: number) => number): void {
  for (let j = 0; j < 16; j++) bytes.setUint8(at + j, (code(j) & 15) | ((code(j + 16) & 15) << 4))
}

export function readNibble(bytes: DataView, at: number, element: number): number {
  return element < 16 ? bytes.getUint8(at + element) & 15 : bytes.getUint8(at + element - 16) >>> 4
}

/** The fifth bit of 32 codes: bit e of a little-endian u32. */
export function writeFifthBits(bytes: DataView, at: number, code: (element: number) => number): void {
  let bits = 0
  for (let j = 0; j < 32; j++) bits |= ((code(j) >>> 4) & 1) << j
  bytes.setUint32(at, bits >>> 0, true)
}

export function readFifthBit(bytes: DataView, at: number, element: number): number {
  return ((bytes.getUint32(at, true) >>> element) & 1) << 4
}
