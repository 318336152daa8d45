import { floatFromHalf } from '../../../core/float16.ts'
import type { BlockCodec } from './block-codec.ts'
import { readScaleAndMinimum, requantize, shareOfLargest, subBlock, superBlock, writeScalesAndMinimums } from './k-blocks.ts'
import { weightedSearch } from './q4-1.ts'
import { type AffineSearch, searchAffine, searchPositive } from './searches.ts'
import { elementWeights, scaleBits, squareSum, sumOf } from './weighting.ts'

const f = Math.fround
const subBlocks = Array.from({ length: 8 }, (_, j) => j)

/** Where Q4_K and Q5_K differ. */
interface Layout {
  readonly search: AffineSearch
  readonly write: (bytes: DataView, at: number, codes: Uint8Array) => void
  readonly read: (bytes: DataView, at: number, element: number) => number
}

/** What libggml takes for the weight of an element without importance: root mean square of the sub-block + |x|. */
function ownWeights(values: Float32Array): Float32Array {
  const root = f(Math.sqrt(f(squareSum(values) / values.length)))
  return values.map((x) => f(root + Math.abs(x)))
}

/** Codes of sub-blocks as multiples of a unit. */
interface Shares {
  readonly unit: number
  readonly codes: Uint8Array
}

function atMost63({ unit, codes }: Shares): Shares {
  return { unit, codes: codes.map((code) => Math.min(63, code)) }
}

function searched(values: Float32Array, importance: Float32Array | null, search: AffineSearch) {
  if (importance === null) {
    const found = subBlocks.map((j) => searchAffine(subBlock(values, j, 32), ownWeights(subBlock(values, j, 32)), search))
    return {
      found,
      scales: atMost63(
        shareOfLargest(
          Float32Array.from(found, ({ scale }) => scale),
          63,
        ),
      ),
      minimums: atMost63(
        shareOfLargest(
          Float32Array.from(found, ({ minimum }) => minimum),
          63,
        ),
      ),
    }
  }
  const weights = elementWeights(values, importance, f(f(2 * squareSum(values)) / superBlock))
  const { largestCode } = search
  const found = subBlocks.map((j) => searchAffine(subBlock(values, j, 32), subBlock(weights, j, 32), { ...weightedSearch, largestCode }))
  const sums = Float32Array.from(subBlocks, (j) => sumOf(subBlock(weights, j, 32)))
  const scales = searchPositive(
    Float32Array.from(found, ({ scale }) => scale),
    sums,
    63,
  )
  const minimums = searchPositive(
    Float32Array.from(found, ({ minimum }) => minimum),
    sums,
    63,
  )
  // ggml-quants.c bounds these for Q5_K alone: codes of negative scales, which wrap.
  const bounded = (shares: Shares): Shares => (largestCode === 31 ? atMost63(shares) : shares)
  return {
    found,
    scales: bounded({ unit: scales.scale, codes: scales.codes }),
    minimums: bounded({ unit: minimums.scale, codes: minimums.codes }),
  }
}

/** 8 sub-blocks of 32, scales and minimums of 6 bits; x = d s q - m t. ggml-quants.c, quantize_row_q4_K and q5_K, _ref and _impl. */
function codecOf({ search, write, read }: Layout): BlockCodec {
  const encode = (values: Float32Array, bytes: DataView, at: number, importance: Float32Array | null): void => {
    const { found, scales, minimums } = searched(values, importance, search)
    bytes.setUint16(at, scaleBits(scales.unit), true)
    bytes.setUint16(at + 2, scaleBits(minimums.unit), true)
    writeScalesAndMinimums(bytes, at + 4, scales.codes, minimums.codes)
    const d = floatFromHalf(bytes.getUint16(at, true))
    const m = floatFromHalf(bytes.getUint16(at + 2, true))
    const codes = new Uint8Array(superBlock)
    for (const j of subBlocks) {
      const packed = readScaleAndMinimum(bytes, at + 4, j)
      const scale = f(d * packed.scale)
      const minimum = f(m * packed.minimum)
      const range = { low: 0, high: search.largestCode }
      const again = scale === 0 ? found[j]?.codes : requantize(subBlock(values, j, 32), { scale, minimum }, range)
      if (again !== undefined) codes.set(again, j * 32)
    }
    write(bytes, at + 16, codes)
  }
  return {
    encode: (values, bytes, at) => encode(values, bytes, at, null),
    encodeWeighted: (values, bytes, at, { importance }) => encode(values, bytes, at, importance),
    decode(bytes, at, values) {
      const d = floatFromHalf(bytes.getUint16(at, true))
      const m = floatFromHalf(bytes.getUint16(at + 2, true))
      for (let e = 0; e < superBlock; e++) {
        const { scale, minimum } = readScaleAndMinimum(bytes, at + 4, e >>> 5)
        values[e] = f(f(d * scale) * read(bytes, at + 16, e)) - f(m * minimum)
      }
    },
  }
}

/** Byte 32 c + l holds elements 64 c + l and 64 c + 32 + l. */
function writeHalves(bytes: DataView, at: number, codes: Uint8Array): void {
  for (let e = 0; e < superBlock; e++) {
    const byte = at + 32 * (e >>> 6) + (e & 31)
    bytes.setUint8(byte, bytes.getUint8(byte) | (((codes[e] ?? 0) & 15) << (e & 32 ? 4 : 0)))
  }
}

function readHalf(bytes: DataView, at: number, e: number): number {
  return (bytes.getUint8(at + 32 * (e >>> 6) + (e & 31)) >>> (e & 32 ? 4 : 0)) & 15
}

export const q4_k = codecOf({
  search: { largestCode: 15, first: -1, step: 0.1, steps: 20, isAbsolute: false },
  write: writeHalves,
  read: readHalf,
})

export const q5_k = codecOf({
  search: { largestCode: 31, first: -0.5, step: 0.1, steps: 15, isAbsolute: false },
  write(bytes, at, codes) {
    for (const [e, code] of codes.entries()) {
      const byte = at + (e & 31)
      bytes.setUint8(byte, bytes.getUint8(byte) | ((code >>> 4) << (e >>> 5)))
    }
    writeHalves(bytes, at + 32, codes)
  },
  read: (bytes, at, e) => readHalf(bytes, at + 32, e) | (((bytes.getUint8(at + (e & 31)) >>> (e >>> 5)) & 1) << 4),
})
