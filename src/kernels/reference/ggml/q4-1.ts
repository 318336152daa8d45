import { floatFromHalf, halfFromFloat } from '../../../core/float16.ts'
import { truncPlusHalf } from '../../../core/rounding.ts'
import { type BlockCodec, inverseScale, readNibble, writeNibbles } from './block-codec.ts'

/** Half scale and minimum, 32 codes of 4 bits; x = d q + m. ggml-quants.c, quantize_row_q4_1_ref. */
export const q4_1: BlockCodec = {
  encode(values, bytes, at) {
    let min = values[0] ?? 0
    let max = min
    for (const value of values) {
      if (value < min) min = value
      if (value > max) max = value
    }
    const scale = Math.fround(Math.fround(max - min) / 15)
    const inverse = inverseScale(scale)
    bytes.setUint16(at, halfFromFloat(scale), true)
    bytes.setUint16(at + 2, halfFromFloat(min), true)
    const code = (i: number): number => truncPlusHalf(Math.fround((values[i] ?? 0) - min) * inverse)
    // max - min may overflow: the inverse is 0 then, and infinity times 0 counts as 0.
    writeNibbles(bytes, at + 4, (i) => Math.max(0, Math.min(15, code(i) || 0)))
  },
  decode(bytes, at, values) {
    const scale = floatFromHalf(bytes.getUint16(at, true))
    const min = floatFromHalf(bytes.getUint16(at + 2, true))
    for (let i = 0; i < values.length; i++) values[i] = Math.fround(scale * readNibble(bytes, at + 4, i)) + min
  },
}
