import { floatFromHalf, halfFromFloat } from '../../../core/float16.ts'
import { truncPlusHalf } from '../../../core/rounding.ts'
import { type BlockCodec, inverseScale, largestElement, readFifthBit, readNibble, writeFifthBits, writeNibbles } from './block-codec.ts'
import { searchSigned } from './searches.ts'
import { elementWeights, scaleBits } from './weighting.ts'

/** Half scale, fifth bits, 32 codes of 4 bits; x = d (q - 16). ggml-quants.c, quantize_row_q5_0_ref and _impl. */
export const q5_0: BlockCodec = {
  encode(values, bytes, at) {
    const scale = Math.fround(largestElement(values) / -16)
    const inverse = inverseScale(scale)
    const code = (i: number): number => Math.max(0, Math.min(31, truncPlusHalf((values[i] ?? 0) * inverse, 16)))
    bytes.setUint16(at, halfFromFloat(scale), true)
    writeFifthBits(bytes, at + 2, code)
    writeNibbles(bytes, at + 6, code)
  },
  encodeWeighted(values, bytes, at, { importance, rowMeanSquare }) {
    const { scale, codes } = searchSigned(values, elementWeights(values, importance, rowMeanSquare), 16)
    const code = (i: number): number => codes[i] ?? 0
    bytes.setUint16(at, scaleBits(scale), true)
    writeFifthBits(bytes, at + 2, code)
    writeNibbles(bytes, at + 6, code)
  },
  decode(bytes, at, values) {
    const scale = floatFromHalf(bytes.getUint16(at, true))
    for (let i = 0; i < values.length; i++) {
      values[i] = scale * ((readNibble(bytes, at + 6, i) | readFifthBit(bytes, at + 2, i)) - 16)
    }
  },
}
