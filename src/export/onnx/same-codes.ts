import { equalBytes } from '../../core/equal-bytes.ts'
import { signedWordsIn } from '../../core/words.ts'
import { ggmlTypes } from '../../kernels/contract/ggml.ts'
import type { Int8RowsTensor } from '../../kernels/contract/int8-rows.ts'
import { bytesOfFloats } from '../../quantization/join-arrays.ts'
import type { QuantizedTensor } from '../../quantization/quantized-tensor.ts'
import { sameBlockScales, sameQ4Codes, sameQ5Codes, sameQ8Codes } from '../same-blocks.ts'
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
  return (own.around?.areTrits === true ? sameTrits(found, own.codes) : sameCodes(found, own)) && sameSteps(found, own)
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
  if (bits === to) return equalBytes(codes, stored)
  if (columns % 8 !== 0 || codes.length * to !== stored.length * bits) return false
  const moved = around !== undefined ? 1 : zeros === null ? 2 ** (bits - 1) - 2 ** (to - 1) : 0
  return bits === 8 ? sameBytes(codes, stored, { moved, to }) : sameWords(codes, stored, { bits, moved, factor: around?.factor ?? 1, to })
}

/** By five codes of two bits: they in base 3, or -1. */
const byFive = Int16Array.from({ length: 1024 }, (_, five) => {
  let byte = 0
  for (let i = 0; i < 5; i++) {
    const code = (Math.floor(five / 4 ** i) % 4) - 1
    if (code < 0 || code > 2) return -1
    byte += code * 3 ** i
  }
  return byte
})

/** Whether codes of two bits around 2 are those stored five to a byte; what fills the last byte of a row up is 0, code 1 of the operator. */
function sameTrits({ rows, columns, bits, codes }: NBitsInFile, stored: Uint8Array): boolean {
  if (bits !== 2 || columns % 16 !== 0 || stored.length !== rows * Math.ceil(columns / 5)) return false
  const words = signedWordsIn(codes)
  // A code that is none makes -1 of its five, which is no byte.
  let differing = 0
  const compare = (five: number, to: number): number => (byFive[five & 0x3ff] ?? -1) ^ (stored[to] ?? 0)
  for (let row = 0, to = 0; row < rows; row++) {
    let at = (row * columns) / 16
    let left = columns
    // Eighty codes, five words, at a time.
    for (; left >= 80; left -= 80, at += 5, to += 16) {
      const [a, b, c] = [words[at] ?? 0, words[at + 1] ?? 0, words[at + 2] ?? 0]
      const [d, e] = [words[at + 3] ?? 0, words[at + 4] ?? 0]
      differing |= compare(a, to) | compare(a >>> 10, to + 1) | compare(a >>> 20, to + 2) | compare((a >>> 30) | (b << 2), to + 3)
      differing |= compare(b >>> 8, to + 4) | compare(b >>> 18, to + 5) | compare((b >>> 28) | (c << 4), to + 6)
      differing |= compare(c >>> 6, to + 7) | compare(c >>> 16, to + 8) | compare((c >>> 26) | (d << 6), to + 9)
      differing |= compare(d >>> 4, to + 10) | compare(d >>> 14, to + 11) | compare((d >>> 24) | (e << 8), to + 12)
      differing |= compare(e >>> 2, to + 13) | compare(e >>> 12, to + 14) | compare(e >>> 22, to + 15)
    }
    for (let bit = 32 * at; left > 0; left -= 5, bit += 10, to++) {
      const shift = bit & 31
      let five = ((words[bit >>> 5] ?? 0) >>> shift) | (shift > 22 ? (words[(bit >>> 5) + 1] ?? 0) << (32 - shift) : 0)
      if (left < 5) five = (five & (4 ** left - 1)) | (0x155 & ~(4 ** left - 1))
      differing |= compare(five, to)
    }
  }
  return differing === 0
}

/** A byte a code, 5 to 7 bits of it meant; four at a time. */
function sameBytes(codes: Uint8Array, stored: Uint8Array, { moved, to }: Pick<Narrowing, 'moved' | 'to'>): boolean {
  const words = signedWordsIn(codes)
  const whole = stored.length & ~3
  const wanted = signedWordsIn(stored.subarray(0, whole))
  const moves = moved * 0x01010101
  const [gap, width] = [8 - to, 4 * to]
  // Where each of four codes stands among bits without gaps.
  const first = (1 << to) - 1
  const second = first << to
  const third = second << to
  const fourth = third << to
  let [all, differing, held, count] = [0, 0, 0, 0]
  for (let i = 0, at = 0; i < words.length; i++) {
    // The lowest code below `moved` borrows and has its high bits set, whatever becomes of those above it.
    const bytes = ((words[i] ?? 0) - moves) | 0
    all |= bytes
    const four = (bytes & first) | ((bytes >>> gap) & second) | ((bytes >>> (2 * gap)) & third) | ((bytes >>> (3 * gap)) & fourth)
    held |= four << count
    count += width
    if (count < 32) continue
    differing |= held ^ (wanted[at++] ?? 0)
    count -= 32
    held = count === 0 ? 0 : four >>> (width - count)
  }
  for (let at = whole; at < stored.length; at++, held >>>= 8) differing |= (held & 0xff) ^ (stored[at] ?? 0)
  const outside = (256 - 2 ** to) * 0x01010101
  return differing === 0 && (all & outside) === 0
}

interface Narrowing {
  readonly bits: number
  readonly moved: number
  readonly factor: number
  readonly to: number
}

const tables = new Map<string, Int16Array>()

/** Two bytes at a time through a table: 4 bits to 3, or 2 bits to 1. */
function sameWords(codes: Uint8Array, stored: Uint8Array, narrowing: Narrowing): boolean {
  const { bits, moved, factor, to } = narrowing
  const key = `${bits} ${moved} ${factor} ${to}`
  const table = tables.get(key) ?? tableOf(narrowing)
  tables.set(key, table)
  const perWord = (16 / bits) * to
  const words = signedWordsIn(codes)
  let wrong = 0
  let differing = 0
  for (let i = 0, at = 0; i < words.length; i++, at += perWord / 4) {
    const word = words[i] ?? 0
    const one = table[word & 0xffff] ?? -1
    const other = table[word >>> 16] ?? -1
    wrong |= one | other
    const both = one | (other << perWord)
    differing |= (both & 0xff) ^ (stored[at] ?? 0)
    differing |= ((both >>> 8) & 0xff) ^ (stored[at + 1] ?? 0)
    if (perWord === 12) differing |= ((both >>> 16) & 0xff) ^ (stored[at + 2] ?? 0)
  }
  return wrong >= 0 && differing === 0
}

/** By two bytes of the file: their codes in `to` bits each, or -1. */
function tableOf({ bits, moved, factor, to }: Narrowing): Int16Array {
  return Int16Array.from({ length: 2 ** 16 }, (_, word) => {
    let narrow = 0
    for (let i = 0; i < 16 / bits; i++) {
      const code = ((Math.floor(word / 2 ** (i * bits)) % 2 ** bits) - moved) / factor
      if (!Number.isInteger(code) || code < 0 || code >= 2 ** to) return -1
      narrow += code * 2 ** (i * to)
    }
    return narrow
  })
}

function sameSteps({ rows, columns, block, bits, scales, zeros }: NBitsInFile, own: StoredCodes): boolean {
  // Blocks that share what is stored once.
  const shared = own.width / block
  const shape = { rows, blocks: columns / block, shared }
  if (!Number.isInteger(shared) || (zeros === null) !== (own.zeros === null)) return false
  if (!sameFloats(scales, own.scales, own.around?.step ?? 1, shape)) return false
  if (zeros === null || own.zeros === null) return true
  return zeros instanceof Uint8Array ? sameFields({ zeros, bits }, own.zeros, shape) : sameFloats(zeros, own.zeros, 1, shape)
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
function sameFields(
  { zeros, bits }: { readonly zeros: Uint8Array; readonly bits: number },
  stored: Float32Array | Uint8Array,
  { rows, blocks, shared }: BlockShape,
): boolean {
  const mask = 2 ** bits - 1
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
  if (zeros !== null || !equalBytes(codes, stored, 0x80)) return false
  for (let row = 0; row < rows; row++) {
    const scale = Math.fround((own.scales[row] ?? 0) / 127)
    for (let index = 0; index < blocks; index++) if (scales[row * blocks + index] !== scale) return false
  }
  return true
}

/** A block of the operator for each that is stored. */
function sameBlocks({ codes, scales, zeros }: NBitsInFile, { type, blocks }: QuantizedTensor<'ggml'>): boolean {
  if (zeros !== null || !sameBlockScales({ scales, runs: 1 }, blocks, ggmlTypes[type].blockBytes)) return false
  if (type === 'Q4_0') return sameQ4Codes(codes, blocks)
  if (type === 'Q5_0') return sameQ5Codes(codes, blocks)
  return type === 'Q8_0' && sameQ8Codes(codes, blocks, 0x80)
}

/** Bit by bit. */
export function equalFloats(one: Float32Array, other: Float32Array): boolean {
  return equalBytes(bytesOfFloats(one), bytesOfFloats(other))
}
