import { floatFromHalf, halfFromFloat } from '../../../core/float16.ts'
import { roundHalfAway } from '../../../core/rounding.ts'
import { type BlockCodec, inverseScale, largestElement } from './block-codec.ts'

/** Half scale, 32 signed bytes; x = d q. ggml-quants.c, quantize_row_q8_0_ref. */
export const q8_0: BlockCodec = {
  encode(values, bytes, at) {
    const scale = Math.fround(Math.abs(largestElement(values)) / 127)
    const inverse = inverseScale(scale)
    bytes.setUint16(at, halfFromFloat(scale), true)
    for (let i = 0; i < 32; i++) bytes.setInt8(at + 2 + i, roundHalfAway(Math.fround((values[i] ?? 0) * inverse)))
  },
  decode(bytes, at, values) {
    const scale = floatFromHalf(bytes.getUint16(at, true))
    for (let i = 0; i < values.length; i++) values[i] = scale * bytes.getInt8(at + 2 + i)
  },
}
