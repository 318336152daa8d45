import { floatFromHalf, halfFromFloat } from '../../../core/float16.ts'
import { truncPlusHalf } from '../../../core/rounding.ts'
import { type BlockCodec, inverseScale, rangeOf, readNibble, writeNibbles } from './block-codec.ts'
import { type AffineSearch, searchAffine } from './searches.ts'
import { elementWeights, scaleBits } from './weighting.ts'

/** What libggml tries when importance is given, for every type with a minimum. */
export const weightedSearch: Omit<AffineSearch, 'largestCode'> = { first: -0.9, step: 0.05, steps: 36, isAbsolute: false }

/** Half scale and minimum, 32 codes of 4 bits; x = d q + m. ggml-quants.c, quantize_row_q4_1_ref and _impl. */
export const q4_1: BlockCodec = {
  encode(values, bytes, at) {
    const { min, max } = rangeOf(values)
    const scale = Math.fround(Math.fround(max - min) / 15)
    const inverse = inverseScale(scale)
    bytes.setUint16(at, halfFromFloat(scale), true)
    bytes.setUint16(at + 2, halfFromFloat(min), true)
    const code = (i: number): number => truncPlusHalf(Math.fround((values[i] ?? 0) - min) * inverse)
    // max - min may overflow: the inverse is 0 then, and infinity times 0 counts as 0.
    writeNibbles(bytes, at + 4, (i) => Math.max(0, Math.min(15, code(i) || 0)))
  },
  encodeWeighted(values, bytes, at, { importance, rowMeanSquare }) {
    const weights = elementWeights(values, importance, rowMeanSquare)
    const { scale, minimum, codes } = searchAffine(values, weights, { ...weightedSearch, largestCode: 15 })
    bytes.setUint16(at, scaleBits(scale), true)
    bytes.setUint16(at + 2, scaleBits(-minimum), true)
    writeNibbles(bytes, at + 4, (i) => codes[i] ?? 0)
  },
  decode(bytes, at, values) {
    const scale = floatFromHalf(bytes.getUint16(at, true))
    const min = floatFromHalf(bytes.getUint16(at + 2, true))
    for (let i = 0; i < values.length; i++) values[i] = Math.fround(scale * readNibble(bytes, at + 4, i)) + min
  },
}
