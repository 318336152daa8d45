/**
 * IEEE 754 half precision and bfloat16 as bits. Narrowing rounds to nearest, ties to even, as F16C, torch and numpy do;
 * a NaN becomes the quiet NaN of its sign.
 */

const floatView = new Float32Array(1)
const bitView = new Uint32Array(floatView.buffer)

function bitsOf(value: number): number {
  floatView[0] = value
  return bitView[0] ?? 0
}

function floatOf(bits: number): number {
  bitView[0] = bits
  return floatView[0] ?? 0
}

/** Largest finite half. */
export const largestHalf = 65504
/** Smallest positive half, 2^-24. */
export const smallestHalf = 2 ** -24
/** Below it a half has fewer than 11 significant bits. */
export const smallestNormalHalf = 2 ** -14

function halfFromFloatBits(bits: number): number {
  const sign = (bits >>> 16) & 0x8000
  const magnitude = bits & 0x7fffffff
  if (magnitude > 0x7f800000) return sign | 0x7e00
  // 65520 and above round to infinity; 0x477ff000 is 65520.
  if (magnitude >= 0x477ff000) return sign | 0x7c00
  if (magnitude < 0x38800000) {
    // Below 2^-14: subnormal. Adding 0.5 moves the half's last place to the float's, so the sum rounds to it.
    return sign | (bitsOf(Math.fround(floatOf(magnitude) + 0.5)) - 0x3f000000)
  }
  const odd = (magnitude >>> 13) & 1
  return sign | ((magnitude + 0xfff + odd - 0x38000000) >>> 13)
}

function floatBitsFromHalf(half: number): number {
  const sign = (half & 0x8000) << 16
  const exponent = (half >>> 10) & 31
  const mantissa = half & 1023
  if (exponent === 31) return (sign | 0x7f800000 | (mantissa << 13)) >>> 0
  if (exponent === 0) return (sign | bitsOf(mantissa * smallestHalf)) >>> 0
  return (sign | ((exponent + 112) << 23) | (mantissa << 13)) >>> 0
}

/** Bits of the half nearest to `value` taken as f32. */
export function halfFromFloat(value: number): number {
  return halfFromFloatBits(bitsOf(value))
}

/** Value of a half given by its 16 bits. */
export function floatFromHalf(half: number): number {
  return floatOf(floatBitsFromHalf(half))
}

/** The half nearest to `value` taken as f32, as a number. */
export function roundToHalf(value: number): number {
  return floatFromHalf(halfFromFloat(value))
}

function bfloat16FromFloatBits(bits: number): number {
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x0040
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16
}

/** Bits of the bfloat16 nearest to `value` taken as f32. */
export function bfloat16FromFloat(value: number): number {
  return bfloat16FromFloatBits(bitsOf(value))
}

/** Value of a bfloat16 given by its 16 bits. */
export function floatFromBfloat16(bits: number): number {
  return floatOf((bits << 16) >>> 0)
}

let widened: Uint32Array | undefined

/** Widens halves to f32; a table of all 65,536 makes it one load each. */
export function widenHalf(source: Uint16Array): Float32Array<ArrayBuffer> {
  widened ??= Uint32Array.from({ length: 65536 }, (_, half) => floatBitsFromHalf(half))
  const target = new Float32Array(source.length)
  const bits = new Uint32Array(target.buffer)
  for (let i = 0; i < source.length; i++) bits[i] = widened[source[i] ?? 0] ?? 0
  return target
}

/** Widens bfloat16 to f32, exactly. */
export function widenBfloat16(source: Uint16Array): Float32Array<ArrayBuffer> {
  const target = new Float32Array(source.length)
  const bits = new Uint32Array(target.buffer)
  for (let i = 0; i < source.length; i++) bits[i] = (source[i] ?? 0) << 16
  return target
}

/** Narrows f32 to half bits. */
export function narrowToHalf(source: Float32Array): Uint16Array<ArrayBuffer> {
  // With a sign: words without one may be floats to the engine.
  const bits = new Int32Array(source.buffer, source.byteOffset, source.length)
  const target = new Uint16Array(source.length)
  for (let i = 0; i < source.length; i++) target[i] = halfFromFloatBits(bits[i] ?? 0)
  return target
}

/** Narrows f32 to bfloat16 bits. */
export function narrowToBfloat16(source: Float32Array): Uint16Array<ArrayBuffer> {
  const bits = new Uint32Array(source.buffer, source.byteOffset, source.length)
  const target = new Uint16Array(source.length)
  for (let i = 0; i < source.length; i++) target[i] = bfloat16FromFloatBits(bits[i] ?? 0)
  return target
}
