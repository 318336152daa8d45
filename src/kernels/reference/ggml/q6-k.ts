import { floatFromHalf } from '../../../core/float16.ts'
import type { BlockCodec } from './block-codec.ts'
import { largestSigned, requantize, subBlock, superBlock } from './k-blocks.ts'
import { nearestInt, searchSigned, squares, zeroBelow } from './searches.ts'
import { scaleBits } from './weighting.ts'

const f = Math.fround
const subBlocks = Array.from({ length: 16 }, (_, j) => j)

/** Where the low 4 bits and the high 2 bits of an element lie: byte and shift. */
function placeOf(e: number): { readonly low: number; readonly lowShift: number; readonly high: number; readonly highShift: number } {
  const half = e >>> 7
  const quarter = (e >>> 5) & 3
  return {
    low: 64 * half + 32 * (quarter & 1) + (e & 31),
    lowShift: 4 * (quarter >>> 1),
    high: 128 + 32 * half + (e & 31),
    highShift: 2 * quarter,
  }
}

function encode(values: Float32Array, bytes: DataView, at: number, importance: Float32Array): void {
  const found = subBlocks.map((j) => searchSigned(subBlock(values, j, 16), subBlock(importance, j, 16), 32))
  const largest = largestSigned(Float32Array.from(found, ({ scale }) => scale))
  if (Math.abs(largest) < zeroBelow) return
  const inverse = f(-128 / largest)
  bytes.setUint16(at + 208, scaleBits(f(1 / inverse)), true)
  const d = floatFromHalf(bytes.getUint16(at + 208, true))
  for (const [j, part] of found.entries()) {
    bytes.setInt8(at + 192 + j, Math.min(127, nearestInt(f(inverse * part.scale))))
    const scale = f(d * bytes.getInt8(at + 192 + j))
    const codes = scale === 0 ? part.codes : requantize(subBlock(values, j, 16), { scale, minimum: 0 }, { low: -32, high: 31 })
    for (const [i, code] of codes.entries()) {
      const { low, lowShift, high, highShift } = placeOf(16 * j + i)
      bytes.setUint8(at + low, bytes.getUint8(at + low) | ((code & 15) << lowShift))
      bytes.setUint8(at + high, bytes.getUint8(at + high) | ((code >>> 4) << highShift))
    }
  }
}

/** 16 sub-blocks of 16, signed scales of 8 bits; x = d s (q - 32). ggml-quants.c, quantize_row_q6_K_ref and _impl. */
export const q6_k: BlockCodec = {
  encode: (values, bytes, at) => encode(values, bytes, at, squares(values)),
  encodeWeighted: (values, bytes, at, { importance }) => encode(values, bytes, at, importance),
  decode(bytes, at, values) {
    const d = floatFromHalf(bytes.getUint16(at + 208, true))
    for (let e = 0; e < superBlock; e++) {
      const { low, lowShift, high, highShift } = placeOf(e)
      const code = ((bytes.getUint8(at + low) >>> lowShift) & 15) | (((bytes.getUint8(at + high) >>> highShift) & 3) << 4)
      values[e] = f(d * bytes.getInt8(at + 192 + (e >>> 4))) * (code - 32)
    }
  },
}
