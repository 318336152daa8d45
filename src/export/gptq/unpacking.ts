/* eslint-disable no-restricted-syntax -- bits of 32-bit words, never offsets: the format is defined on them */
import { widenHalf } from '../../core/float16.ts'

/** A packed linear as it stands in a file, every part as written. */
export interface PackedLinear {
  readonly bits: number
  readonly inFeatures: number
  readonly outFeatures: number
  readonly qweight: Uint32Array
  readonly qzeros: Uint32Array
  readonly scales: Uint16Array
  readonly groupOf: Int32Array
}

/**
 * What a reader of format v1 makes of it: W[o][i] = scale * (code - zero), zero = (stored + 1) masked to its field.
 * Rows [outStart, outEnd) as [rows, inFeatures] f32; used to prove files, so it shares nothing with the packing code.
 */
export function unpackLinear(linear: PackedLinear, outStart: number, outEnd: number): Float32Array<ArrayBuffer> {
  const { bits, inFeatures, outFeatures, qweight, qzeros, groupOf } = linear
  const scales = widenHalf(linear.scales)
  const mask = (1 << bits) - 1
  const zeroWordsARow = (outFeatures * bits) / 32
  const field = (words: Uint32Array, { bit, first, stride }: { bit: number; first: number; stride: number }): number => {
    const at = first + Math.floor(bit / 32) * stride
    const shift = bit % 32
    const low = (words[at] ?? 0) >>> shift
    const high = shift + bits > 32 ? (words[at + stride] ?? 0) << (32 - shift) : 0
    return (low | high) & mask
  }
  const values = new Float32Array((outEnd - outStart) * inFeatures)
  for (let out = outStart; out < outEnd; out++) {
    let group = -1
    let zero = 0
    let scale = 0
    for (let input = 0; input < inFeatures; input++) {
      const own = groupOf[input] ?? 0
      if (own !== group) {
        group = own
        zero = (field(qzeros, { bit: out * bits, first: group * zeroWordsARow, stride: 1 }) + 1) & mask
        scale = scales[group * outFeatures + out] ?? Number.NaN
      }
      const code = field(qweight, { bit: input * bits, first: out, stride: outFeatures })
      values[(out - outStart) * inFeatures + input] = Math.fround(scale * (code - zero))
    }
  }
  return values
}
