import { type BlockCodec, largestElement, readNibble, writeNibbles } from './block-codec.ts'

const f = Math.fround

/** E2M1 doubled, so that all are whole: the levels of both types. */
export const fp4Levels = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12] as const

/** Code of the nearest level at a scale, the first one of equally near. */
function nearestLevel(value: number, scale: number): number {
  let code = 0
  let least = Infinity
  for (const [candidate, level] of fp4Levels.entries()) {
    const distance = Math.abs(f(f(level * scale) - value))
    if (distance < least) {
      least = distance
      code = candidate
    }
  }
  return code
}

/** Exponent byte, 32 codes; x = 2^(e - 128) level, levels doubled. ggml-quants.c, quantize_row_mxfp4_ref. */
export const mxfp4: BlockCodec = {
  encode(values, bytes, at) {
    const largest = Math.abs(largestElement(values))
    // log2f rounds up to the whole number for a value a few ulps below a power of two, and so does this.
    const exponent = largest > 0 ? Math.max(0, Math.floor(f(Math.log2(largest))) - 2 + 127) : 0
    const scale = 2 ** (exponent - 128)
    bytes.setUint8(at, exponent)
    writeNibbles(bytes, at + 1, (i) => nearestLevel(values[i] ?? 0, scale))
  },
  decode(bytes, at, values) {
    const scale = 2 ** (bytes.getUint8(at) - 128)
    for (let i = 0; i < values.length; i++) values[i] = scale * (fp4Levels[readNibble(bytes, at + 1, i)] ?? 0)
  },
}

const floatView = new Float32Array(1)
const bitView = new Uint32Array(floatView.buffer)

/**
 * Unsigned E4M3 as libggml rounds to it, found by comparing bytes: halves up at the last mantissa bit; below 2^-6 in steps of
 * 2^-9, of which 7 is the last; from 256 on always 448.
 */
export function unsignedE4m3(value: number): number {
  if (!(value > 0)) return 0
  floatView[0] = Math.min(value, 448)
  const bits = bitView[0] ?? 0
  if (bits >>> 23 < 121) return Math.min(7, Math.trunc(f(f(value * 512) + 0.5)))
  const rounded = bits + 0x80000
  const exponent = (rounded >>> 23) - 120
  return exponent >= 15 ? 126 : exponent * 8 + ((rounded >>> 20) & 7)
}

/** Half of the value of an unsigned E4M3: the levels are doubled. */
function halvedE4m3(code: number): number {
  if (code === 0 || code === 127) return 0
  const exponent = (code >>> 3) & 15
  const mantissa = code & 7
  return 0.5 * (exponent === 0 ? mantissa * 2 ** -9 : (1 + mantissa / 8) * 2 ** (exponent - 7))
}

/** 4 sub-blocks of 16, scales in E4M3; x = s level / 2, levels doubled. ggml-quants.c, quantize_row_nvfp4_ref. */
export const nvfp4: BlockCodec = {
  encode(values, bytes, at) {
    for (let s = 0; s < 4; s++) {
      const part = values.subarray(16 * s, 16 * s + 16)
      const code = unsignedE4m3(f(Math.abs(largestElement(part)) / 6))
      const scale = halvedE4m3(code)
      bytes.setUint8(at + s, code)
      if (scale === 0) continue
      for (let j = 0; j < 8; j++) {
        bytes.setUint8(at + 4 + 8 * s + j, nearestLevel(part[j] ?? 0, scale) | (nearestLevel(part[j + 8] ?? 0, scale) << 4))
      }
    }
  },
  decode(bytes, at, values) {
    for (let e = 0; e < 64; e++) {
      const s = e >>> 4
      const packed = bytes.getUint8(at + 4 + 8 * s + (e & 7))
      values[e] = halvedE4m3(bytes.getUint8(at + s)) * (fp4Levels[e & 8 ? packed >>> 4 : packed & 15] ?? 0)
    }
  },
}
