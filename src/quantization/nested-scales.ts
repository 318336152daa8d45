import { StudioError } from '../core/errors.ts'
import { meanOfFloats } from './mean-of-floats.ts'

/**
 * Scales of blocks as 8-bit codes themselves (double quantization, QLoRA): scale = map[code] * absmax[of 256] + offset, each
 * step in f32. All of a matrix's scales share the offset.
 */
export interface NestedScales {
  readonly codes: Uint8Array<ArrayBuffer>
  /** Largest |scale - offset| of each 256. */
  readonly absmax: Float32Array<ArrayBuffer>
  /** Mean of the scales, f32. */
  readonly offset: number
}

/** Scales that share an absmax. */
export const nestedBlock = 256

/** Cells of the table through which bitsandbytes' CPU kernel finds codes. */
const cells = 65536

/**
 * The signed dynamic map of bitsandbytes (8 bits, 7 of exponent; Dettmers 2015), ascending: for each power of ten from 1e-6 to
 * 1 twice as many means of neighbours in an even division of [0.1, 1], of both signs, then 0 and 1. The division is torch's
 * `linspace` with fused multiply-adds, as its builds for AVX2 and newer compute it.
 */
export const dynamicMap = makeDynamicMap()

function makeDynamicMap(): Float32Array<ArrayBuffer> {
  const values = [0, 1]
  for (let exponent = 0; exponent < 7; exponent++) {
    const points = evenPoints(2 ** exponent + 1)
    const factor = Math.fround(10 ** (exponent - 6))
    for (let i = 0; i + 1 < points.length; i++) {
      const mean = Math.fround(Math.fround((points[i] ?? 0) + (points[i + 1] ?? 0)) / 2)
      const value = Math.fround(factor * mean)
      values.push(value, -value)
    }
  }
  return Float32Array.from(values.sort((a, b) => a - b))
}

/** `count` points from 0.1 to 1: one rounding each, from the nearer end. */
function evenPoints(count: number): Float32Array {
  const start = Math.fround(0.1)
  const step = Math.fround(Math.fround(1 - start) / (count - 1))
  return Float32Array.from({ length: count }, (_, i) => (i < Math.floor(count / 2) ? start + step * i : 1 - step * (count - 1 - i)))
}

let codeOfCell: Uint8Array | undefined

/** The code of each cell: of the value at its index in [-1, 1], by midpoints of the map. */
function makeCells(): Uint8Array {
  const midpoints = Float32Array.from({ length: 255 }, (_, i) => Math.fround((dynamicMap[i] ?? 0) + (dynamicMap[i + 1] ?? 0)) * 0.5)
  let code = 0
  return Uint8Array.from({ length: cells }, (_, cell) => {
    const value = Math.fround(Math.fround((2 * cell) / (cells - 1)) - 1)
    while (code < midpoints.length && value > (midpoints[code] ?? 0)) code++
    return code
  })
}

/**
 * As bitsandbytes 0.50 does it on the processor: r = scale - offset, divided by the largest of its 256 through an inverse,
 * to the nearest of 65536 cells (half up), and through the cell to a code. Its CUDA kernel looks midpoints up without cells.
 * Throws `weights-not-finite` when the mean overflows.
 */
export function nestScales(scales: Float32Array): NestedScales {
  codeOfCell ??= makeCells()
  const offset = meanOfFloats(scales)
  if (!Number.isFinite(offset)) {
    throw new StudioError('weights-not-finite', {
      title: 'The weights are too large for double quantization',
      message: 'The mean of the scales of their blocks is beyond the largest f32.',
      remedy: 'Take the same recipe without double quantization.',
    })
  }
  const codes = new Uint8Array(scales.length)
  const absmax = new Float32Array(Math.ceil(scales.length / nestedBlock))
  const rest = scales.map((scale) => scale - offset)
  for (let block = 0; block < absmax.length; block++) {
    const start = block * nestedBlock
    const end = Math.min(rest.length, start + nestedBlock)
    let largest = 0
    for (let i = start; i < end; i++) largest = Math.max(largest, Math.abs(rest[i] ?? 0))
    absmax[block] = largest
    if (largest === 0) continue
    const inverse = Math.fround(1 / largest)
    for (let i = start; i < end; i++) {
      const shifted = Math.min(1, Math.max(-1, Math.fround((rest[i] ?? 0) * inverse)))
      const position = Math.fround(Math.fround(shifted + 1) * 0.5)
      codes[i] = codeOfCell[Math.trunc(Math.fround(position * (cells - 1) + 0.5))] ?? 0
    }
  }
  return { codes, absmax, offset }
}

/** The scales that a reader of the file computes. */
export function restoreScales({ codes, absmax, offset }: NestedScales): Float32Array<ArrayBuffer> {
  const scales = new Float32Array(codes.length)
  for (let i = 0, block = 0; i < scales.length; block++) {
    const largest = absmax[block] ?? 0
    for (const end = Math.min(scales.length, i + nestedBlock); i < end; i++) {
      scales[i] = Math.fround((dynamicMap[codes[i] ?? 0] ?? 0) * largest) + offset
    }
  }
  return scales
}
