import { floatFromHalf } from '../../../core/float16.ts'
import { type BlockCodec, inverseScale, largestElement, readNibble, writeNibbles } from './block-codec.ts'
import { largestSigned, subBlock, superBlock } from './k-blocks.ts'
import { nearestCode, squares, zeroBelow } from './searches.ts'
import { elementWeights, scaleBits, squareSum } from './weighting.ts'

const f = Math.fround

/** `kvalues_iq4nl` of ggml-common.h: finer around zero, where most weights are. */
export const iq4Levels = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113] as const

/** Code of the nearest level; half way between two it is the higher one. */
function nearestLevel(value: number): number {
  let code = 0
  for (let next = 1; next < 16; next++) {
    if (value >= ((iq4Levels[next - 1] ?? 0) + (iq4Levels[next] ?? 0)) / 2) code = next
  }
  return code
}

/** Scale of a block of 32: the first guess, then 15 inverse scales around it, as quantize_row_iq4_nl_impl with ntry 7. */
function searchScale(values: Float32Array, weights: Float32Array): number {
  const peak = largestElement(values)
  if (Math.abs(peak) < zeroBelow) return 0
  let scale = 0
  let best = 0
  const consider = (inverse: number, isFirst: boolean): void => {
    let product = 0
    let square = 0
    for (const [i, x] of values.entries()) {
      const level = iq4Levels[nearestLevel(f(inverse * x))] ?? 0
      const weighted = f((weights[i] ?? 0) * level)
      product = f(product + f(weighted * x))
      square = f(square + f(weighted * level))
    }
    if (isFirst || (square > 0 && f(product * product) > f(best * square))) {
      scale = square > 0 ? f(product / square) : 0
      best = f(scale * product)
    }
  }
  consider(f(1 / f(-peak / -127)), true)
  for (let step = -7; step <= 7; step++) consider(f((step - 127) / peak), false)
  return scale
}

/** As element weights: x^2, or by importance with twice the mean square of the (super-)block. */
function weightsOf(values: Float32Array, importance: Float32Array | null): Float32Array {
  if (importance === null) return squares(values)
  return elementWeights(values, importance, f(f(2 / values.length) * squareSum(values)))
}

function encodeNl(values: Float32Array, bytes: DataView, at: number, importance: Float32Array | null): void {
  const scale = searchScale(values, weightsOf(values, importance))
  const inverse = inverseScale(scale)
  bytes.setUint16(at, scaleBits(scale), true)
  writeNibbles(bytes, at + 2, (i) => nearestLevel(f(inverse * (values[i] ?? 0))))
}

function encodeXs(values: Float32Array, bytes: DataView, at: number, importance: Float32Array | null): void {
  const weights = weightsOf(values, importance)
  const scales = Float32Array.from({ length: 8 }, (_, j) => searchScale(subBlock(values, j, 32), subBlock(weights, j, 32)))
  const d = f(-largestSigned(scales) / 32)
  const inverse = inverseScale(d)
  bytes.setUint16(at, scaleBits(d), true)
  let high = 0
  for (const [j, scale] of scales.entries()) {
    const share = nearestCode(f(inverse * scale), -32, 31)
    const own = inverseScale(f(d * share))
    writeNibbles(bytes, at + 8 + 16 * j, (i) => nearestLevel(f(own * (values[32 * j + i] ?? 0))))
    const low = at + 4 + (j >>> 1)
    bytes.setUint8(low, bytes.getUint8(low) | (((share + 32) & 15) << (4 * (j & 1))))
    high |= ((share + 32) >>> 4) << (2 * j)
  }
  bytes.setUint16(at + 2, high, true)
}

/** Half scale, 32 codes into the level table; x = d level. ggml-quants.c, quantize_iq4_nl. */
export const iq4_nl: BlockCodec = {
  encode: (values, bytes, at) => encodeNl(values, bytes, at, null),
  encodeWeighted: (values, bytes, at, { importance }) => encodeNl(values, bytes, at, importance),
  decode(bytes, at, values) {
    const d = floatFromHalf(bytes.getUint16(at, true))
    for (let i = 0; i < values.length; i++) values[i] = d * (iq4Levels[readNibble(bytes, at + 2, i)] ?? 0)
  },
}

/** 8 sub-blocks of 32, signed scales of 6 bits; x = d (s - 32) level. ggml-quants.c, quantize_iq4_xs. */
export const iq4_xs: BlockCodec = {
  encode: (values, bytes, at) => encodeXs(values, bytes, at, null),
  encodeWeighted: (values, bytes, at, { importance }) => encodeXs(values, bytes, at, importance),
  decode(bytes, at, values) {
    const d = floatFromHalf(bytes.getUint16(at, true))
    const high = bytes.getUint16(at + 2, true)
    for (let e = 0; e < superBlock; e++) {
      const j = e >>> 5
      const low = (bytes.getUint8(at + 4 + (j >>> 1)) >>> (4 * (j & 1))) & 15
      const scale = f(d * ((low | (((high >>> (2 * j)) & 3) << 4)) - 32))
      values[e] = scale * (iq4Levels[readNibble(bytes, at + 8 + 16 * j, e & 31)] ?? 0)
    }
  },
}
