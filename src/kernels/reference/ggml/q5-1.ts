import { floatFromHalf, halfFromFloat } from '../../../core/float16.ts'
import { truncPlusHalf } from '../../../core/rounding.ts'
import { type BlockCodec, inverseScale, rangeOf, readFifthBit, readNibble, writeFifthBits, writeNibbles } from './block-codec.ts'
import { weightedSearch } from './q4-1.ts'
import { searchAffine } from './searches.ts'
import { elementWeights, scaleBits } from './weighting.ts'

/** Half scale and minimum, fifth bits, 32 codes of 4 bits; x = d q + m. ggml-quants.c, quantize_row_q5_1_ref and _impl. */
export const q5_1: BlockCodec = {
  encode(values, bytes, at) {
    const { min, max } = rangeOf(values)
    const scale = Math.fround(Math.fround(max - min) / 31)
    const inverse = inverseScale(scale)
    // max - min may overflow: the inverse is 0 then, and infinity times 0 counts as 0.
    const product = (i: number): number => Math.fround(Math.fround((values[i] ?? 0) - min) * inverse) || 0
    const code = (i: number): number => Math.max(0, Math.min(31, truncPlusHalf(product(i))))
    bytes.setUint16(at, halfFromFloat(scale), true)
    bytes.setUint16(at + 2, halfFromFloat(min), true)
    writeFifthBits(bytes, at + 4, code)
    writeNibbles(bytes, at + 8, code)
  },
  encodeWeighted(values, bytes, at, { importance, rowMeanSquare }) {
    const weights = elementWeights(values, importance, rowMeanSquare)
    const { scale, minimum, codes } = searchAffine(values, weights, { ...weightedSearch, largestCode: 31 })
    const code = (i: number): number => codes[i] ?? 0
    bytes.setUint16(at, scaleBits(scale), true)
    bytes.setUint16(at + 2, scaleBits(-minimum), true)
    writeFifthBits(bytes, at + 4, code)
    writeNibbles(bytes, at + 8, code)
  },
  decode(bytes, at, values) {
    const scale = floatFromHalf(bytes.getUint16(at, true))
    const min = floatFromHalf(bytes.getUint16(at + 2, true))
    for (let i = 0; i < values.length; i++) {
      values[i] = Math.fround(scale * (readNibble(bytes, at + 8, i) | readFifthBit(bytes, at + 4, i))) + min
    }
  },
}
