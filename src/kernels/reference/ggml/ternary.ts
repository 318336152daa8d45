import { floatFromHalf, halfFromFloat } from '../../../core/float16.ts'
import { roundHalfAway } from '../../../core/rounding.ts'
import { type BlockCodec, inverseScale, largestElement } from './block-codec.ts'
import { readQuarter, superBlock, writeQuarters } from './k-blocks.ts'

const f = Math.fround

/** Codes 0, 1, 2 for -d, 0, d with d the largest magnitude. */
function ternary(values: Float32Array): { readonly scale: number; readonly codes: Uint8Array } {
  const scale = Math.abs(largestElement(values))
  const inverse = inverseScale(scale)
  return { scale, codes: Uint8Array.from(values, (x) => Math.max(-1, Math.min(1, roundHalfAway(f(x * inverse)))) + 1) }
}

/** Five codes a byte, four in the last four bytes: element e is digit `digit` of byte `byte`, the first digit the highest. */
function placeOf(e: number): { readonly byte: number; readonly digit: number } {
  if (e < 160) return { byte: e & 31, digit: e >>> 5 }
  if (e < 240) return { byte: 32 + (e & 15), digit: (e - 160) >>> 4 }
  return { byte: 48 + (e & 3), digit: (e - 240) >>> 2 }
}

/** Half scale, base 3 digits; a byte holds the fraction v / 243, so that digits come out by multiplying. quantize_row_tq1_0_ref. */
export const tq1_0: BlockCodec = {
  encode(values, bytes, at) {
    const { scale, codes } = ternary(values)
    const sums = new Uint16Array(52)
    for (const [e, code] of codes.entries()) {
      const { byte, digit } = placeOf(e)
      sums[byte] = (sums[byte] ?? 0) + code * 3 ** (4 - digit)
    }
    for (const [byte, sum] of sums.entries()) bytes.setUint8(at + byte, Math.floor((sum * 256 + 242) / 243))
    bytes.setUint16(at + 52, halfFromFloat(scale), true)
  },
  decode(bytes, at, values) {
    const scale = floatFromHalf(bytes.getUint16(at + 52, true))
    for (let e = 0; e < superBlock; e++) {
      const { byte, digit } = placeOf(e)
      const rest = (bytes.getUint8(at + byte) * 3 ** digit) & 255
      values[e] = scale * (((rest * 3) >>> 8) - 1)
    }
  },
}

/** Half scale, codes of 2 bits. quantize_row_tq2_0_ref. */
export const tq2_0: BlockCodec = {
  encode(values, bytes, at) {
    const { scale, codes } = ternary(values)
    writeQuarters(bytes, at, codes)
    bytes.setUint16(at + 64, halfFromFloat(scale), true)
  },
  decode(bytes, at, values) {
    const scale = floatFromHalf(bytes.getUint16(at + 64, true))
    for (let e = 0; e < superBlock; e++) values[e] = scale * (readQuarter(bytes, at, e) - 1)
  },
}
