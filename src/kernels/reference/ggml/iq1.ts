import { floatFromHalf } from '../../../core/float16.ts'
import type { BlockCodec } from './block-codec.ts'
import { subBlock } from './k-blocks.ts'
import { latticeOf } from './lattice.ts'
import { nearestInt, squares } from './searches.ts'
import { searchOneShift, searchTwoShifts, shiftedDown, shiftedUp, type TernaryGroup, ternarySums } from './ternary-search.ts'
import { elementWeights, scaleBits, squareSum } from './weighting.ts'

const f = Math.fround

function weightsOf(values: Float32Array, importance: Float32Array): Float32Array {
  return elementWeights(values, importance, f(f(2 * squareSum(values)) / values.length))
}

/** Codes of the scales as odd multiples of a unit, 1 to 15. */
function shareOddly(groups: readonly (TernaryGroup | null)[]): { unit: number; scales: number[] } {
  const largest = groups.reduce((most, group) => Math.max(most, group?.scale ?? 0), 0)
  const unit = f(largest / 15)
  const inverse = f(1 / unit)
  return {
    unit,
    scales: groups.map((group) => Math.max(0, Math.min(7, nearestInt(f(0.5 * f(f(inverse * (group?.scale ?? 0)) - 1)))))),
  }
}

/** Eight values: a point's codes less 1 with a shift, times a scale. */
function writePoint(values: Float32Array, at: number, index: number, { scale, isDown }: { scale: number; isDown: boolean }): void {
  const levels = isDown ? shiftedDown : shiftedUp
  for (const [j, code] of (latticeOf('iq1s').points[index] ?? []).entries()) values[at + j] = scale * (levels[code] ?? 0)
}

/** 1.56 bit: x = d (2 s + 1) (code - 1 + shift), points of 8 in a book of 2048, 32 to a scale and shift. ggml-quants.c, quantize_iq1_s. */
export const iq1_s: BlockCodec = {
  encodeWeighted(values, bytes, at, { importance }) {
    const weights = weightsOf(values, importance)
    const groups = Array.from({ length: 8 }, (_, j) => searchOneShift(subBlock(values, j, 32), subBlock(weights, j, 32)))
    const { unit, scales } = shareOddly(groups)
    // ggml's factor, as that of IQ1_M below: fitted to what the rounding of the scales loses.
    bytes.setUint16(at, scaleBits(f(unit * 1.125)), true)
    for (const [j, group] of groups.entries()) {
      if (group === null) continue
      let bits = unit === 0 ? 0 : ((scales[j] ?? 0) | (group.isDown[0] === true ? 8 : 0)) << 12
      for (const [k, index] of group.indices.entries()) {
        bytes.setUint8(at + 2 + 4 * j + k, index & 255)
        bits |= (index >>> 8) << (3 * k)
      }
      bytes.setUint16(at + 34 + 2 * j, bits, true)
    }
  },
  decode(bytes, at, values) {
    const d = floatFromHalf(bytes.getUint16(at, true))
    for (let i = 0; i < 32; i++) {
      const bits = bytes.getUint16(at + 34 + 2 * (i >>> 2), true)
      const index = bytes.getUint8(at + 2 + i) | (((bits >>> (3 * (i & 3))) & 7) << 8)
      writePoint(values, 8 * i, index, { scale: f(d * (2 * ((bits >>> 12) & 7) + 1)), isDown: bits >= 0x8000 })
    }
  },
}

function encodeM(values: Float32Array, weights: Float32Array, bytes: DataView, at: number): void {
  const groups = Array.from({ length: 16 }, (_, j) => searchTwoShifts(subBlock(values, j, 16), subBlock(weights, j, 16)))
  const { unit, scales } = shareOddly(groups)
  let sums = { product: 0, square: 0 }
  const codes = [0, 0, 0, 0]
  for (const [j, group] of groups.entries()) {
    // Groups of which nothing is written count in the fit below as what they decode to: the first point, shifted up.
    const { indices, isDown } = group ?? { indices: [0, 0], isDown: [false, false] }
    const scale = scales[j] ?? 0
    sums = ternarySums(subBlock(values, j, 16), subBlock(weights, j, 16), { indices, isDown, factor: 2 * scale + 1 }, sums)
    let high = 0
    for (const [k, index] of indices.entries()) {
      bytes.setUint8(at + 2 * j + k, index & 255)
      high |= ((index >>> 8) | (unit !== 0 && isDown[k] === true ? 8 : 0)) << (4 * k)
    }
    bytes.setUint8(at + 32 + j, high)
    codes[j >>> 2] = (codes[j >>> 2] ?? 0) | (scale << (3 * (j & 3)))
  }
  if (unit === 0) return
  const half = scaleBits(f((sums.square > 0 ? f(sums.product / sums.square) : unit) * f(1.1125)))
  for (const [k, code] of codes.entries()) bytes.setUint16(at + 48 + 2 * k, code | (((half >>> (4 * k)) & 15) << 12), true)
}

/** 1.75 bit: as IQ1_S with 16 to a scale, a shift for each 8; the half scale lies in the high bits of the scale codes. */
export const iq1_m: BlockCodec = {
  encode: (values, bytes, at) => encodeM(values, squares(values), bytes, at),
  encodeWeighted: (values, bytes, at, { importance }) => encodeM(values, weightsOf(values, importance), bytes, at),
  decode(bytes, at, values) {
    const codes = [0, 1, 2, 3].map((k) => bytes.getUint16(at + 48 + 2 * k, true))
    const d = floatFromHalf(codes.reduce((half, code, k) => half | ((code >>> 12) << (4 * k)), 0))
    for (let i = 0; i < 32; i++) {
      const j = i >>> 1
      const high = bytes.getUint8(at + 32 + j) >>> (4 * (i & 1))
      const index = bytes.getUint8(at + i) | ((high & 7) << 8)
      const code = ((codes[j >>> 2] ?? 0) >>> (3 * (j & 3))) & 7
      writePoint(values, 8 * i, index, { scale: f(d * (2 * code + 1)), isDown: (high & 8) !== 0 })
    }
  },
}
