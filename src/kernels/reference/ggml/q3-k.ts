import { floatFromHalf } from '../../../core/float16.ts'
import type { BlockCodec } from './block-codec.ts'
import { largestSigned, readQuarter, requantize, subBlock, superBlock, writeQuarters } from './k-blocks.ts'
import { descendSigned, nearestCode, type ScaledCodes, searchSigned } from './searches.ts'
import { elementWeights, scaleBits, squareSum, sumOf } from './weighting.ts'

const f = Math.fround
const subBlocks = Array.from({ length: 16 }, (_, j) => j)

/** 6-bit scales: low 4 bits of two a byte in 8 bytes, upper 2 bits of four a byte in 4. */
function writeScales(bytes: DataView, at: number, scales: Uint8Array): void {
  for (const [j, scale] of scales.entries()) {
    const low = at + (j & 7)
    const high = at + 8 + (j & 3)
    bytes.setUint8(low, bytes.getUint8(low) | ((scale & 15) << (4 * (j >>> 3))))
    bytes.setUint8(high, bytes.getUint8(high) | ((scale >>> 4) << (2 * (j >>> 2))))
  }
}

function readScale(bytes: DataView, at: number, j: number): number {
  const low = (bytes.getUint8(at + (j & 7)) >>> (4 * (j >>> 3))) & 15
  return low | (((bytes.getUint8(at + 8 + (j & 3)) >>> (2 * (j >>> 2))) & 3) << 4)
}

function write(
  values: Float32Array,
  bytes: DataView,
  at: number,
  parts: { found: readonly ScaledCodes[]; unit: number; scales: Uint8Array },
): void {
  const { found, unit, scales } = parts
  writeScales(bytes, at + 96, scales)
  bytes.setUint16(at + 108, scaleBits(unit), true)
  const d = floatFromHalf(bytes.getUint16(at + 108, true))
  const codes = new Uint8Array(superBlock)
  for (const j of subBlocks) {
    const scale = f(d * ((scales[j] ?? 0) - 32))
    const again = scale === 0 ? found[j]?.codes : requantize(subBlock(values, j, 16), { scale, minimum: 0 }, { low: -4, high: 3 })
    if (again !== undefined) codes.set(again, j * 16)
  }
  for (const [e, code] of codes.entries()) {
    const byte = at + (e & 31)
    bytes.setUint8(byte, bytes.getUint8(byte) | ((code >>> 2) << (e >>> 5)))
  }
  writeQuarters(bytes, at + 32, codes)
}

/** 16 sub-blocks of 16, signed scales of 6 bits; x = d (s - 32) (q - 4). ggml-quants.c, quantize_row_q3_K_ref and _impl. */
export const q3_k: BlockCodec = {
  encode(values, bytes, at) {
    const found = subBlocks.map((j) => descendSigned(subBlock(values, j, 16), 4))
    const largest = largestSigned(Float32Array.from(found, ({ scale }) => scale))
    if (largest === 0) {
      write(values, bytes, at, { found, unit: 0, scales: new Uint8Array(16) })
      return
    }
    const inverse = f(-32 / largest)
    const scales = Uint8Array.from(found, ({ scale }) => nearestCode(f(inverse * scale), -32, 31) + 32)
    write(values, bytes, at, { found, unit: f(1 / inverse), scales })
  },
  encodeWeighted(values, bytes, at, { importance }) {
    const weights = elementWeights(values, importance, f(f(2 * squareSum(values)) / superBlock))
    const found = subBlocks.map((j) => searchSigned(subBlock(values, j, 16), subBlock(weights, j, 16), 4))
    const sums = Float32Array.from(subBlocks, (j) => sumOf(subBlock(weights, j, 16)))
    const { scale, codes } = searchSigned(
      Float32Array.from(found, (part) => part.scale),
      sums,
      32,
    )
    write(values, bytes, at, { found, unit: scale, scales: codes })
  },
  decode(bytes, at, values) {
    const d = floatFromHalf(bytes.getUint16(at + 108, true))
    for (let e = 0; e < superBlock; e++) {
      const high = (bytes.getUint8(at + (e & 31)) >>> (e >>> 5)) & 1
      values[e] = f(d * (readScale(bytes, at + 96, e >>> 4) - 32)) * (readQuarter(bytes, at + 32, e) + 4 * high - 4)
    }
  },
}
