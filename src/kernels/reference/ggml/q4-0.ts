import { floatFromHalf, halfFromFloat } from '../../../core/float16.ts'
import { truncPlusHalf } from '../../../core/rounding.ts'
import { type BlockCodec, inverseScale, largestElement, readNibble, writeNibbles } from './block-codec.ts'
import { searchSigned } from './searches.ts'
import { elementWeights, scaleBits } from './weighting.ts'

/** Half scale, 32 codes of 4 bits; x = d (q - 8). ggml-quants.c, quantize_row_q4_0_ref and _impl. */
export const q4_0: BlockCodec = {
  encode(values, bytes, at) {
    const scale = Math.fround(largestElement(values) / -8)
    const inverse = inverseScale(scale)
    bytes.setUint16(at, halfFromFloat(scale), true)
    writeNibbles(bytes, at + 2, (i) => Math.max(0, Math.min(15, truncPlusHalf((values[i] ?? 0) * inverse, 8))))
  },
  encodeWeighted(values, bytes, at, { importance, rowMeanSquare }) {
    const { scale, codes } = searchSigned(values, elementWeights(values, importance, rowMeanSquare), 8)
    bytes.setUint16(at, scaleBits(scale), true)
    writeNibbles(bytes, at + 2, (i) => codes[i] ?? 0)
  },
  decode(bytes, at, values) {
    const scale = floatFromHalf(bytes.getUint16(at, true))
    for (let i = 0; i < values.length; i++) values[i] = scale * (readNibble(bytes, at + 2, i) - 8)
  },
}
