import type { Int8InFile } from './same-int8.ts'

/** What rows of whole numbers stand for. */
export function int8Values({ codes, scales, run }: Int8InFile): Float32Array<ArrayBuffer> {
  const values = new Float32Array(codes.length)
  for (let index = 0, at = 0; index < scales.length; index++) {
    const scale = scales[index] ?? Number.NaN
    for (const end = at + run; at < end; at++) values[at] = (codes[at] ?? Number.NaN) * scale
  }
  return values
}

/** A code of 0 below a zero point may be -0 on one way and 0 on the other: the same weight. */
export function positiveZeros(values: Float32Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
  for (let at = 0; at < values.length; at++) values[at] = (values[at] ?? 0) + 0
  return values
}
