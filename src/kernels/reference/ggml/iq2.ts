import { floatFromHalf } from '../../../core/float16.ts'
import type { BlockCodec } from './block-codec.ts'
import { latticeOf } from './lattice.ts'
import { encodeLattice, evenSigns, type LatticeBlock, type LatticeLayout, writeLevels } from './lattice-blocks.ts'
import { zeroBelow } from './searches.ts'
import { elementWeights, scaleBits, squareSum } from './weighting.ts'

const f = Math.fround

/** Half scale, then 4 bytes of indices, 4 groups of 7 signs and a scale code for each 32 weights. */
const xxs: LatticeLayout = {
  book: 'iq2xxs',
  largestCode: 2,
  groupSize: 32,
  isEvenSigned: true,
  start: 'fit',
  steps: 6,
  step: 0.1,
  again: 'all',
  zeroBelow,
}
const xs: LatticeLayout = { ...xxs, book: 'iq2xs', groupSize: 16, start: 'peak', steps: 9, again: 'outside' }
const s: LatticeLayout = { ...xs, book: 'iq2s', isEvenSigned: false, zeroBelow: f(1e-8) }

/** Levels as they are decoded, where the search has 1, 3 and 5. */
const levels = [8, 25, 43] as const

function levelsOf({ book }: LatticeLayout, index: number): number[] {
  return Array.from(latticeOf(book).points[index] ?? [], (code) => levels[code] ?? 0)
}

const groupScale = (d: number, code: number): number => f(f(d * (0.5 + code)) * 0.25)

/** Two scale codes a byte, the first one in its low half. */
function writeScales(bytes: DataView, at: number, { scales }: LatticeBlock): void {
  for (let j = 0; j < 8; j++) bytes.setUint8(at + j, (scales[2 * j] ?? 0) | ((scales[2 * j + 1] ?? 0) << 4))
}

function readScale(bytes: DataView, at: number, j: number): number {
  return (bytes.getUint8(at + (j >>> 1)) >>> (4 * (j & 1))) & 15
}

/** 2.06 bit: x = d (s + 1/2) / 4 * level, points of 8 in a book of 256, 32 to a scale. ggml-quants.c, quantize_iq2_xxs. */
export const iq2_xxs: BlockCodec = {
  encodeWeighted(values, bytes, at, { importance }) {
    const { groups, scales, unit } = encodeLattice(values, elementWeights(values, importance, f(squareSum(values) / values.length)), xxs)
    bytes.setUint16(at, scaleBits(unit), true)
    if (unit === 0) return
    for (const [j, group] of groups.entries()) {
      const to = at + 2 + 8 * j
      let bits = (scales[j] ?? 0) << 28
      for (const [k, signs] of (group?.signs ?? []).entries()) bits |= signs << (7 * k)
      for (const [k, index] of (group?.indices ?? []).entries()) bytes.setUint8(to + k, index)
      bytes.setUint32(to + 4, bits >>> 0, true)
    }
  },
  decode(bytes, at, values) {
    const d = floatFromHalf(bytes.getUint16(at, true))
    for (let j = 0; j < 8; j++) {
      const from = at + 2 + 8 * j
      const bits = bytes.getUint32(from + 4, true)
      const scale = groupScale(d, bits >>> 28)
      for (let k = 0; k < 4; k++) {
        writeLevels(values, 32 * j + 8 * k, levelsOf(xxs, bytes.getUint8(from + k)), { scale, signs: evenSigns((bits >>> (7 * k)) & 127) })
      }
    }
  },
}

/** 2.31 bit: as IQ2_XXS with a book of 512, 16 to a scale; index and 7 signs in a u16. ggml-quants.c, quantize_iq2_xs. */
export const iq2_xs: BlockCodec = {
  encodeWeighted(values, bytes, at, { importance }) {
    const block = encodeLattice(values, elementWeights(values, importance, f(squareSum(values) / values.length)), xs)
    bytes.setUint16(at, scaleBits(block.unit), true)
    if (block.unit === 0) return
    writeScales(bytes, at + 66, block)
    for (const [j, group] of block.groups.entries()) {
      for (const [k, index] of (group?.indices ?? []).entries()) {
        bytes.setUint16(at + 2 + 4 * j + 2 * k, index | ((group?.signs[k] ?? 0) << 9), true)
      }
    }
  },
  decode(bytes, at, values) {
    const d = floatFromHalf(bytes.getUint16(at, true))
    for (let i = 0; i < 32; i++) {
      const pair = bytes.getUint16(at + 2 + 2 * i, true)
      const scale = groupScale(d, readScale(bytes, at + 66, i >>> 1))
      writeLevels(values, 8 * i, levelsOf(xs, pair & 511), { scale, signs: evenSigns(pair >>> 9) })
    }
  },
}

function encodeS(values: Float32Array, weights: Float32Array, bytes: DataView, at: number): void {
  const block = encodeLattice(values, weights, s)
  // ggml's factor: the scales found are a little too large for the grid they are rounded to.
  bytes.setUint16(at, scaleBits(f(block.unit * f(0.9875))), true)
  writeScales(bytes, at + 74, block)
  for (const [j, group] of block.groups.entries()) {
    for (const [k, index] of (group?.indices ?? []).entries()) {
      const i = 2 * j + k
      const high = at + 66 + (i >>> 2)
      bytes.setUint8(at + 2 + i, index & 255)
      bytes.setUint8(at + 34 + i, group?.signs[k] ?? 0)
      bytes.setUint8(high, bytes.getUint8(high) | ((index >>> 8) << (2 * (i & 3))))
    }
  }
}

/** 2.56 bit: as IQ2_XS with a book of 1024 and all signs. ggml-quants.c, quantize_iq2_s. */
export const iq2_s: BlockCodec = {
  encode(values, bytes, at) {
    const square = f(0.25 * f(f(2 * squareSum(values)) / values.length))
    encodeS(
      values,
      values.map((x) => f(square + f(x * x))),
      bytes,
      at,
    )
  },
  encodeWeighted(values, bytes, at, { importance }) {
    encodeS(values, elementWeights(values, importance, f(f(2 * squareSum(values)) / values.length)), bytes, at)
  },
  decode(bytes, at, values) {
    const d = floatFromHalf(bytes.getUint16(at, true))
    for (let i = 0; i < 32; i++) {
      const high = (bytes.getUint8(at + 66 + (i >>> 2)) >>> (2 * (i & 3))) & 3
      const index = bytes.getUint8(at + 2 + i) | (high << 8)
      const scale = groupScale(d, readScale(bytes, at + 74, i >>> 1))
      writeLevels(values, 8 * i, levelsOf(s, index), { scale, signs: bytes.getUint8(at + 34 + i) })
    }
  },
}
