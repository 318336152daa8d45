import { sameBytes, sameFields, sameQ8, sameTrits } from '../../kernels/codes/same.ts'
import { ggmlTypes } from '../../kernels/contract/ggml.ts'
import type { Int8RowsTensor } from '../../kernels/contract/int8-rows.ts'
import { bytesOfFloats } from '../../quantization/join-arrays.ts'
import type { QuantizedTensor } from '../../quantization/quantized-tensor.ts'
import { sameBlockScales, sameQ4Codes, sameQ5Codes } from '../same-blocks.ts'
import type { NBitsInFile } from './unpacking.ts'

/** Codes of rows on a grid as they are stored, and what belongs to them. */
interface StoredCodes {
  /** A bit stream a row. */
  readonly codes: Uint8Array
  readonly bits: number
  /** Columns that share a scale. */
  readonly width: number
  /** [rows, groups]. */
  readonly scales: Float32Array
  /** [rows, groups], or `null`: the middle of the range everywhere. */
  readonly zeros: Uint8Array | Float32Array | null
  /** Two and three values around 0: the operator's code is `factor` * code + 1, its scale `step` * scale; three in five a byte. */
  readonly around?: { readonly factor: number; readonly step: number; readonly areTrits: boolean }
}

/**
 * Whether what a file holds of rows are the codes, scales and zero points that are stored, so that its weights are equal too.
 * False also where the operator's codes are other than those of the grid moved by a number; their weights have to be compared then.
 */
export function areSame(found: NBitsInFile, stored: QuantizedTensor): boolean {
  if (found.columns % found.block !== 0) return false
  if (stored.encoding === 'int8-rows') return sameInt8Rows(found, stored.int8Rows)
  if (stored.encoding === 'ggml') return sameBlocks(found, stored)
  const own = codesOf(stored)
  if (own === null) return false
  return (own.around?.areTrits === true ? sameThrees(found, own.codes) : sameCodes(found, own)) && sameSteps(found, own)
}

function codesOf(stored: QuantizedTensor): StoredCodes | null {
  if (stored.encoding === 'affine') {
    const { columns, bits, group, codes, scales, zeroPoints, isSymmetric } = stored.affine
    if (group === 'tensor') return null
    return { codes, bits, width: group === 'row' ? columns : group, scales, zeros: isSymmetric ? null : zeroPoints }
  }
  if (stored.encoding === 'real-affine') {
    const { columns, levels, group, codes, scales, zeroPoints, isSymmetric } = stored.realAffine
    const width = group === 'row' ? columns : group
    if (!isSymmetric) return levels === 3 ? null : { codes, bits: Math.log2(levels), width, scales, zeros: zeroPoints }
    if (levels > 3) return null
    const around = levels === 2 ? { factor: 2, step: 0.5, areTrits: false } : { factor: 1, step: 1, areTrits: true }
    return { codes, bits: levels - 1, width, scales, zeros: null, around }
  }
  return null
}

/**
 * Whether codes of a file are those of a bit stream of `to` bits a code; false also where rows do not fill bytes. Without zero points the
 * operator's codes lie around the middle of its own range.
 */
function sameCodes({ codes, columns, bits, zeros }: NBitsInFile, { codes: stored, bits: to, around }: StoredCodes): boolean {
  if (bits === to) return sameBytes(codes, stored)
  if (columns % 8 !== 0) return false
  const moved = around !== undefined ? 1 : zeros === null ? 2 ** (bits - 1) - 2 ** (to - 1) : 0
  return sameFields(codes, stored, { bits, moved, factor: around?.factor ?? 1, to })
}

/** Codes of two bits around 2, of which rows of whole words can be compared. */
function sameThrees({ columns, bits, codes }: NBitsInFile, stored: Uint8Array): boolean {
  return bits === 2 && columns % 16 === 0 && sameTrits(codes, stored, columns)
}

function sameSteps({ rows, columns, block, bits, scales, zeros }: NBitsInFile, own: StoredCodes): boolean {
  // Blocks that share what is stored once.
  const shared = own.width / block
  const shape = { rows, blocks: columns / block, shared }
  if (!Number.isInteger(shared) || (zeros === null) !== (own.zeros === null)) return false
  if (!sameFloats(scales, own.scales, own.around?.step ?? 1, shape)) return false
  if (zeros === null || own.zeros === null) return true
  return zeros instanceof Uint8Array ? sameZeros({ zeros, bits }, own.zeros, shape) : sameFloats(zeros, own.zeros, 1, shape)
}

interface BlockShape {
  readonly rows: number
  readonly blocks: number
  readonly shared: number
}

/** Whether each group's value times `step` stands at each of its blocks, -0 being other than 0. */
function sameFloats(found: Float32Array, stored: Float32Array | Uint8Array, step: number, { rows, blocks, shared }: BlockShape): boolean {
  if (found.length !== rows * blocks) return false
  if (shared === 1 && step === 1 && stored instanceof Float32Array) return equalFloats(found, stored)
  for (let row = 0, at = 0, group = 0; row < rows; row++) {
    for (const end = at + blocks; at < end; group++) {
      const value = step * (stored[group] ?? Number.NaN)
      for (const last = Math.min(end, at + shared); at < last; at++) if (!Object.is(found[at], value)) return false
    }
  }
  return true
}

/** Whether zero points in fields of `bits` bits, rows filled up to bytes, are those of the groups. */
function sameZeros(
  { zeros, bits }: { readonly zeros: Uint8Array; readonly bits: number },
  stored: Float32Array | Uint8Array,
  { rows, blocks, shared }: BlockShape,
): boolean {
  const mask = 2 ** bits - 1
  const inByte = 8 / bits
  if (shared === 1 && blocks % inByte === 0 && stored instanceof Uint8Array) {
    let differing = 0
    // Stored zero points are codes, and so fit their fields.
    for (let at = 0, group = 0; at < zeros.length; at++) {
      let fields = 0
      for (let shift = 0; shift < 8; shift += bits) fields |= (stored[group++] ?? 0) << shift
      differing |= fields ^ (zeros[at] ?? 0)
    }
    return differing === 0 && stored.length === rows * blocks
  }
  for (let row = 0, at = 0, group = 0; row < rows; row++) {
    let fields = 0
    let left = 0
    for (let block = 0; block < blocks; group++) {
      const zero = stored[group]
      for (const last = Math.min(blocks, block + shared); block < last; block++, left -= bits, fields >>>= bits) {
        if (left === 0) {
          fields = zeros[at++] ?? 0
          left = 8
        }
        if ((fields & mask) !== zero) return false
      }
    }
  }
  return true
}

/** Codes around 128, and the value of one. */
function sameInt8Rows({ rows, columns, block, codes, scales, zeros }: NBitsInFile, own: Int8RowsTensor): boolean {
  const blocks = columns / block
  const stored = new Uint8Array(own.codes.buffer, own.codes.byteOffset, own.codes.length)
  if (zeros !== null || !sameBytes(codes, stored, 0x80)) return false
  for (let row = 0; row < rows; row++) {
    const scale = Math.fround((own.scales[row] ?? 0) / 127)
    for (let index = 0; index < blocks; index++) if (scales[row * blocks + index] !== scale) return false
  }
  return true
}

/** A block of the operator for each that is stored. */
function sameBlocks({ codes, scales, zeros }: NBitsInFile, { type, blocks }: QuantizedTensor<'ggml'>): boolean {
  if (zeros !== null) return false
  if (type === 'Q8_0') return sameQ8({ codes, scales, runs: 1 }, blocks, 0x80)
  if (!sameBlockScales(scales, blocks, ggmlTypes[type].blockBytes)) return false
  if (type === 'Q4_0') return sameQ4Codes(codes, blocks)
  return type === 'Q5_0' && sameQ5Codes(codes, blocks)
}

/** Bit by bit. */
export function equalFloats(one: Float32Array, other: Float32Array): boolean {
  return sameBytes(bytesOfFloats(one), bytesOfFloats(other))
}
