import { floatFromHalf } from '../../../core/float16.ts'
import type { BlockCodec } from './block-codec.ts'
import { readQuarter, requantize, shareOfLargest, subBlock, superBlock, writeQuarters } from './k-blocks.ts'
import { weightedSearch } from './q4-1.ts'
import { type ScaledCodes, searchAffine, searchPositive } from './searches.ts'
import { elementWeights, scaleBits, squareSum, sumOf } from './weighting.ts'

const f = Math.fround
const subBlocks = Array.from({ length: 16 }, (_, j) => j)

type Found = ScaledCodes & { readonly minimum: number }
interface Shares {
  readonly unit: number
  readonly codes: Uint8Array
}

function write(
  values: Float32Array,
  bytes: DataView,
  at: number,
  parts: { found: readonly Found[]; scales: Shares; minimums: Shares },
): void {
  const { found, scales, minimums } = parts
  bytes.setUint16(at + 80, scaleBits(scales.unit), true)
  bytes.setUint16(at + 82, scaleBits(minimums.unit), true)
  const d = floatFromHalf(bytes.getUint16(at + 80, true))
  const m = floatFromHalf(bytes.getUint16(at + 82, true))
  const codes = new Uint8Array(superBlock)
  for (const j of subBlocks) {
    bytes.setUint8(at + j, (scales.codes[j] ?? 0) | ((minimums.codes[j] ?? 0) << 4))
    const packed = bytes.getUint8(at + j)
    const scale = f(d * (packed & 15))
    const minimum = f(m * (packed >>> 4))
    const again = scale === 0 ? found[j]?.codes : requantize(subBlock(values, j, 16), { scale, minimum }, { low: 0, high: 3 })
    if (again !== undefined) codes.set(again, j * 16)
  }
  writeQuarters(bytes, at + 16, codes)
}

/** 16 sub-blocks of 16, scales and minimums of 4 bits; x = d s q - m t. ggml-quants.c, quantize_row_q2_K_ref and _impl. */
export const q2_k: BlockCodec = {
  encode(values, bytes, at) {
    const found = subBlocks.map((j) => {
      const part = subBlock(values, j, 16)
      return searchAffine(part, part.map(Math.abs), { largestCode: 3, first: -0.5, step: 0.1, steps: 15, isAbsolute: true })
    })
    write(values, bytes, at, {
      found,
      scales: shareOfLargest(
        Float32Array.from(found, ({ scale }) => scale),
        15,
      ),
      minimums: shareOfLargest(
        Float32Array.from(found, ({ minimum }) => minimum),
        15,
      ),
    })
  },
  encodeWeighted(values, bytes, at, { importance }) {
    const weights = elementWeights(values, importance, f(squareSum(values) / superBlock))
    const found = subBlocks.map((j) =>
      searchAffine(subBlock(values, j, 16), subBlock(weights, j, 16), { ...weightedSearch, largestCode: 3 }),
    )
    const sums = Float32Array.from(subBlocks, (j) => sumOf(subBlock(weights, j, 16)))
    const scales = searchPositive(
      Float32Array.from(found, ({ scale }) => scale),
      sums,
      15,
    )
    const minimums = searchPositive(
      Float32Array.from(found, ({ minimum }) => minimum),
      sums,
      15,
    )
    write(values, bytes, at, {
      found,
      scales: { unit: scales.scale, codes: scales.codes },
      minimums: { unit: minimums.scale, codes: minimums.codes },
    })
  },
  decode(bytes, at, values) {
    const d = floatFromHalf(bytes.getUint16(at + 80, true))
    const m = floatFromHalf(bytes.getUint16(at + 82, true))
    for (let e = 0; e < superBlock; e++) {
      const packed = bytes.getUint8(at + (e >>> 4))
      values[e] = f(f(d * (packed & 15)) * readQuarter(bytes, at + 16, e)) - f(m * (packed >>> 4))
    }
  },
}
