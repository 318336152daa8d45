import { nearestInt } from './searches.ts'

const f = Math.fround

/** Elements of a super-block. */
export const superBlock = 256

/** Sub-block j of a super-block cut into sub-blocks of `size`. */
export function subBlock(values: Float32Array, j: number, size: number): Float32Array {
  return values.subarray(j * size, (j + 1) * size)
}

/** The codes of a sub-block again, with the scale and minimum as they are stored. */
export function requantize(
  values: Float32Array,
  { scale, minimum }: { readonly scale: number; readonly minimum: number },
  { low, high }: { readonly low: number; readonly high: number },
): Uint8Array {
  return Uint8Array.from(values, (x) => Math.max(low, Math.min(high, nearestInt(f(f(x + minimum) / scale)))) - low)
}

/** Scales or minimums of sub-blocks as multiples of the largest: codes 0 .. largestCode, and that unit. Negative ones wrap. */
export function shareOfLargest(values: Float32Array, largestCode: number): { readonly unit: number; readonly codes: Uint8Array } {
  let largest = 0
  for (const value of values) if (value > largest) largest = value
  const inverse = largest > 0 ? f(largestCode / largest) : 0
  return {
    unit: f(largest / largestCode),
    codes: Uint8Array.from(values, (value) => nearestInt(f(inverse * value)) & 255),
  }
}

/** The value of largest magnitude, the first one. */
export function largestSigned(values: Float32Array): number {
  let largest = 0
  for (const value of values) if (Math.abs(value) > Math.abs(largest)) largest = value
  return largest
}

/** 256 codes of 2 bits: byte 32 h + l holds elements 128 h + l, + 32, + 64, + 96 from its low bits on. */
export function writeQuarters(bytes: DataView, at: number, codes: Uint8Array): void {
  for (let e = 0; e < superBlock; e++) {
    const byte = at + 32 * (e >>> 7) + (e & 31)
    bytes.setUint8(byte, bytes.getUint8(byte) | (((codes[e] ?? 0) & 3) << (2 * ((e >>> 5) & 3))))
  }
}

export function readQuarter(bytes: DataView, at: number, e: number): number {
  return (bytes.getUint8(at + 32 * (e >>> 7) + (e & 31)) >>> (2 * ((e >>> 5) & 3))) & 3
}

/** 8 scales and 8 minimums of 6 bits in 12 bytes. */
export function writeScalesAndMinimums(bytes: DataView, at: number, scales: Uint8Array, minimums: Uint8Array): void {
  for (let j = 0; j < 8; j++) {
    const scale = scales[j] ?? 0
    const minimum = minimums[j] ?? 0
    if (j < 4) {
      bytes.setUint8(at + j, scale)
      bytes.setUint8(at + j + 4, minimum)
    } else {
      bytes.setUint8(at + j + 4, (scale & 15) | ((minimum & 15) << 4))
      bytes.setUint8(at + j - 4, bytes.getUint8(at + j - 4) | ((scale >>> 4) << 6))
      bytes.setUint8(at + j, bytes.getUint8(at + j) | ((minimum >>> 4) << 6))
    }
  }
}

export function readScaleAndMinimum(bytes: DataView, at: number, j: number): { readonly scale: number; readonly minimum: number } {
  if (j < 4) return { scale: bytes.getUint8(at + j) & 63, minimum: bytes.getUint8(at + j + 4) & 63 }
  const low = bytes.getUint8(at + j + 4)
  return {
    scale: (low & 15) | ((bytes.getUint8(at + j - 4) >>> 6) << 4),
    minimum: (low >>> 4) | ((bytes.getUint8(at + j) >>> 6) << 4),
  }
}
