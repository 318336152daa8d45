import { floatFromHalf } from '../../../core/float16.ts'
import type { BlockCodec } from './block-codec.ts'
import { latticeOf } from './lattice.ts'
import { encodeLattice, evenSigns, type LatticeLayout, writeLevels } from './lattice-blocks.ts'
import { squares } from './searches.ts'
import { elementWeights, scaleBits, squareSum } from './weighting.ts'

const f = Math.fround

const xxs: LatticeLayout = {
  book: 'iq3xxs',
  largestCode: 7,
  groupSize: 32,
  isEvenSigned: true,
  start: 'peak',
  steps: 15,
  step: 0.2,
  again: 'outside',
  zeroBelow: f(1e-8),
}
const s: LatticeLayout = { ...xxs, book: 'iq3s', isEvenSigned: false, steps: 9, again: 'all when outside', zeroBelow: 0 }

/** Levels of IQ3_XXS as they are decoded, where the search has 1, 3 .. 15. */
const levels = [4, 12, 20, 28, 36, 44, 52, 62] as const

function weightsOf(values: Float32Array, importance: Float32Array): Float32Array {
  return elementWeights(values, importance, f(f(2 * squareSum(values)) / values.length))
}

function encodeXxs(values: Float32Array, weights: Float32Array, bytes: DataView, at: number): void {
  const { groups, scales, unit } = encodeLattice(values, weights, xxs)
  // ggml's factor, as that of IQ3_S below: fitted to what the rounding of the scales loses.
  bytes.setUint16(at, scaleBits(f(unit * f(1.0125))), true)
  if (unit === 0) return
  for (const [j, group] of groups.entries()) {
    let bits = (scales[j] ?? 0) << 28
    for (const [k, signs] of (group?.signs ?? []).entries()) bits |= signs << (7 * k)
    for (const [k, index] of (group?.indices ?? []).entries()) bytes.setUint8(at + 2 + 8 * j + k, index)
    bytes.setUint32(at + 66 + 4 * j, bits >>> 0, true)
  }
}

/** 3.06 bit: x = d (s + 1/2) / 2 * level, points of 4 in a book of 256, 32 to a scale. ggml-quants.c, quantize_iq3_xxs. */
export const iq3_xxs: BlockCodec = {
  encode: (values, bytes, at) => encodeXxs(values, squares(values), bytes, at),
  encodeWeighted: (values, bytes, at, { importance }) => encodeXxs(values, weightsOf(values, importance), bytes, at),
  decode(bytes, at, values) {
    const d = floatFromHalf(bytes.getUint16(at, true))
    for (let i = 0; i < 64; i++) {
      const bits = bytes.getUint32(at + 66 + 4 * (i >>> 3), true)
      const scale = f(f(d * (0.5 + (bits >>> 28))) * 0.5)
      const signs = evenSigns((bits >>> (7 * ((i >>> 1) & 3))) & 127)
      const point = latticeOf('iq3xxs').points[bytes.getUint8(at + 2 + i)] ?? []
      writeLevels(
        values,
        4 * i,
        Array.from(point, (code) => levels[code] ?? 0),
        { scale, signs, firstSign: 4 * (i & 1) },
      )
    }
  },
}

function encodeS(values: Float32Array, weights: Float32Array, bytes: DataView, at: number): void {
  const { groups, scales, unit } = encodeLattice(values, weights, s)
  bytes.setUint16(at, scaleBits(f(unit * f(1.033))), true)
  let slot = 0
  for (const [j, group] of groups.entries()) {
    const scale = at + 106 + (j >>> 1)
    bytes.setUint8(scale, bytes.getUint8(scale) | ((scales[j] ?? 0) << (4 * (j & 1))))
    if (group === null) continue
    let high = 0
    for (const [k, index] of group.indices.entries()) {
      bytes.setUint8(at + 2 + 8 * slot + k, index & 255)
      high |= (index >>> 8) << k
    }
    bytes.setUint8(at + 66 + j, high)
    for (const [k, signs] of group.signs.entries()) bytes.setUint8(at + 74 + 4 * slot + k, signs)
    // libggml leaves a group of zeros out here, so that low bytes and signs of those after it lie too early. Its bytes are followed.
    slot++
  }
}

/** 3.44 bit: x = d (2 s + 1) * level, points of 4 in a book of 512, all signs, 32 to a scale. ggml-quants.c, quantize_iq3_s. */
export const iq3_s: BlockCodec = {
  encode: (values, bytes, at) => encodeS(values, squares(values), bytes, at),
  encodeWeighted: (values, bytes, at, { importance }) => encodeS(values, weightsOf(values, importance), bytes, at),
  decode(bytes, at, values) {
    const d = floatFromHalf(bytes.getUint16(at, true))
    for (let i = 0; i < 64; i++) {
      const j = i >>> 3
      const index = bytes.getUint8(at + 2 + i) | (((bytes.getUint8(at + 66 + j) >>> (i & 7)) & 1) << 8)
      const scale = f(d * (1 + 2 * ((bytes.getUint8(at + 106 + (j >>> 1)) >>> (4 * (j & 1))) & 15)))
      const point = latticeOf('iq3s').points[index] ?? []
      const signs = bytes.getUint8(at + 74 + (i >>> 1))
      writeLevels(
        values,
        4 * i,
        Array.from(point, (code) => 2 * code + 1),
        { scale, signs, firstSign: 4 * (i & 1) },
      )
    }
  },
}
