import { Scratch } from '../../io/scratch.ts'
import type { RowRange } from '../checkpoint.ts'
import { inStrips, moduleOf, readFloatStrip, readWordStrip, requirePart, unsupportedForm } from '../quantized-parts.ts'
import type { CodeRows, QuantizedMatrix, SourceFormat } from '../source-format.ts'
import { turnLines, wordsOfFloats } from '../turn-lines.ts'

const bits = 4
/** Outputs in a word. */
const unit = 8
/** Words of lines, and of rows, that are turned at a time: a line of the cache each. */
const turned = 16
/** Words of zero points of a group that are unpacked before those of the next: their rows stay in the cache. */
const zeroWords = 8

/** Output of the eight of a word that stands in a nibble: even outputs in the low half of the word, odd ones in the high half. */
function outputOf(nibble: number): number {
  return nibble < 4 ? 2 * nibble : 2 * (nibble - 4) + 1
}

/** Rows of a matrix as the file has them: across its lines. */
interface Strip {
  /** [columns, rows / 8]. */
  readonly weights: Int32Array
  /** [groups, rows / 8]. */
  readonly zeros: Int32Array
  /** [groups, rows]. */
  readonly scales: Float32Array
}

/** Rows one behind the other. */
interface Rows {
  /** [rows, ceil(columns / 2)]: the first column in the low half of a byte. */
  readonly codes: Uint8Array<ArrayBuffer>
  /** [rows, groups]. */
  readonly zeros: Uint8Array<ArrayBuffer>
  /** [rows, groups]. */
  readonly scales: Float32Array<ArrayBuffer>
}

/** AutoAWQ's layout `gemm`, 4 bits: eight outputs in a word, W[o][i] = scale * (code - zero). */
const awq: SourceFormat = {
  method: 'awq',
  title: 'AWQ',

  open({ name, shape: [rows = 0, columns = 0] }, find, config): QuantizedMatrix | null {
    const module = moduleOf(name)
    if (find(`${module}.qweight`) === undefined) return null
    const { version = 'gemm' } = config
    if (typeof version !== 'string' || version.toLowerCase() !== 'gemm') {
      throw unsupportedForm(module, `is in AWQ's layout ${JSON.stringify(version)}; "gemm" can be read`)
    }
    const qweight = requirePart(find, `${module}.qweight`, { dtype: 'I32', shape: [columns, rows / unit] })
    const qzeros = requirePart(find, `${module}.qzeros`, { dtype: 'I32', shape: [null, rows / unit] })
    const groups = qzeros.shape[0] ?? 0
    if (groups === 0 || columns % groups !== 0) {
      throw unsupportedForm(`${module}.qzeros`, `has ${groups} groups for ${columns} inputs; groups of one size can be read`)
    }
    const scales = requirePart(find, `${module}.scales`, { dtype: 'float', shape: [groups, rows] })
    const form = { columns, groups }
    return {
      parts: [qweight, qzeros, scales],
      async load(_signal, scratch = new Scratch()) {
        const memory = { codes: new Scratch(), zeros: new Scratch(), scales: new Scratch() }
        const strips = inStrips({ rows, rowBytes: columns / 2, unit }, async ({ rowStart: start, rowEnd: end }, signal): Promise<Strip> => {
          const words = { lineWords: rows / unit, start: start / unit, end: end / unit }
          return {
            weights: await readWordStrip(qweight, { ...words, scratch }, signal),
            zeros: await readWordStrip(qzeros, words, signal),
            scales: await readFloatStrip(scales, { lineElements: rows, start, end }, signal),
          }
        })
        const read = async (range: RowRange, signal?: AbortSignal): Promise<Rows> => {
          // Whole words, of which the rows that were not asked for are left out again.
          const [first, last] = [Math.floor(range.rowStart / unit) * unit, Math.ceil(range.rowEnd / unit) * unit]
          const count = last - first
          const into = {
            codes: memory.codes.take(count * Math.ceil(columns / 2)),
            zeros: memory.zeros.take(count * groups),
            scales: new Float32Array(memory.scales.take(4 * count * groups).buffer, 0, count * groups),
          }
          const whole = { rowStart: first, rowEnd: last }
          for await (const strip of strips(whole, signal)) turnRows(strip.parts, strip, form, { range: whole, into })
          return cut(into, range.rowStart - first, range.rowEnd - first, count)
        }
        const codes = async (range: RowRange, signal?: AbortSignal): Promise<CodeRows> => {
          const found = await read(range, signal)
          const group = groups === 1 ? ('row' as const) : columns / groups
          const shape = { rows: range.rowEnd - range.rowStart, columns, bits, isSymmetric: false, group }
          return { encoding: 'affine', affine: { ...shape, codes: found.codes, scales: found.scales, zeroPoints: found.zeros } }
        }
        return { values: async (range, signal) => decode(await read(range, signal), form), codes }
      },
    }
  },
}

export default awq

interface Form {
  readonly columns: number
  readonly groups: number
}

/** Puts what a strip has of a range of rows row by row; both are whole words. */
function turnRows(
  { weights, zeros, scales }: Strip,
  strip: RowRange,
  { columns, groups }: Form,
  { range, into }: { readonly range: RowRange; readonly into: Rows },
): void {
  const stripRows = strip.rowEnd - strip.rowStart
  const stripWords = stripRows / unit
  const [start, end] = [Math.max(range.rowStart, strip.rowStart), Math.min(range.rowEnd, strip.rowEnd)]
  const place = { stripWords, columns, word: (start - strip.rowStart) / unit, row: start - range.rowStart, count: (end - start) / unit }
  if (columns % 8 === 0) {
    const { buffer, byteOffset, length } = into.codes
    turnSquares(weights, place, new Int32Array(buffer, byteOffset, length / 4))
  } else turnPairs(weights, place, into.codes)
  const floats = { lineWords: stripRows, first: start - strip.rowStart, count: end - start }
  turnLines(wordsOfFloats(scales), floats, wordsOfFloats(into.scales), place.row * groups)
  unpackZeros(zeros, place, into.zeros, groups)
}

/** Puts the zero points of words of rows row by row. */
function unpackZeros(zeros: Int32Array, { stripWords, word, row, count }: WordPlace, into: Uint8Array, groups: number): void {
  for (let block = 0; block < count; block += zeroWords) {
    const end = Math.min(count, block + zeroWords)
    for (let group = 0; group < groups; group++) {
      for (let index = block; index < end; index++) {
        const packed = zeros[group * stripWords + word + index] ?? 0
        const to = (row + unit * index) * groups + group
        for (let nibble = 0; nibble < unit; nibble++) into[to + outputOf(nibble) * groups] = (packed >>> (bits * nibble)) & 15
      }
    }
  }
}

interface WordPlace {
  /** Words of a line. */
  readonly stripWords: number
  readonly columns: number
  /** Words [word, word + count) of each line. */
  readonly word: number
  readonly count: number
  /** Row to which the first of them belongs. */
  readonly row: number
}

/** Codes of two columns at a time, as a row has them side by side in a byte. */
function turnPairs(weights: Int32Array, { stripWords, columns, word, count, row }: WordPlace, codes: Uint8Array): void {
  const rowBytes = Math.ceil(columns / 2)
  for (let index = 0; index < count; index++) {
    for (let column = 0; column < columns; column += 2) {
      const one = weights[column * stripWords + word + index] ?? 0
      const next = column + 1 < columns ? (weights[(column + 1) * stripWords + word + index] ?? 0) : 0
      for (let nibble = 0; nibble < unit; nibble++) {
        const pair = ((one >>> (bits * nibble)) & 15) | (((next >>> (bits * nibble)) & 15) << bits)
        codes[(row + unit * index + outputOf(nibble)) * rowBytes + column / 2] = pair
      }
    }
  }
}

/** Codes of eight columns at a time, as a row has them side by side in a word. */
function turnSquares(weights: Int32Array, { stripWords, columns, word, count, row }: WordPlace, codes: Int32Array): void {
  const rowWords = columns / 8
  for (let block = 0; block < count; block += turned) {
    const end = Math.min(count, block + turned)
    for (let first = 0; first < columns; first += 8 * turned) {
      const last = Math.min(columns, first + 8 * turned)
      // Along the rows: at the same place in several of them the cache has few places.
      for (let index = block; index < end; index++) {
        for (let column = first; column < last; column += 8) {
          const at = column * stripWords + word + index
          const to = (row + unit * index) * rowWords + column / 8
          const [w0, w1] = [weights[at] ?? 0, weights[at + stripWords] ?? 0]
          const [w2, w3] = [weights[at + 2 * stripWords] ?? 0, weights[at + 3 * stripWords] ?? 0]
          const [w4, w5] = [weights[at + 4 * stripWords] ?? 0, weights[at + 5 * stripWords] ?? 0]
          const [w6, w7] = [weights[at + 6 * stripWords] ?? 0, weights[at + 7 * stripWords] ?? 0]
          // Byte by byte the codes of two columns: outputs 0, 4, 1 and 5 lie in the low halves, 2, 6, 3 and 7 in the high ones.
          const [l0, h0] = [(w0 & 0x0f0f0f0f) | ((w1 & 0x0f0f0f0f) << 4), ((w0 >>> 4) & 0x0f0f0f0f) | (w1 & 0xf0f0f0f0)]
          const [l1, h1] = [(w2 & 0x0f0f0f0f) | ((w3 & 0x0f0f0f0f) << 4), ((w2 >>> 4) & 0x0f0f0f0f) | (w3 & 0xf0f0f0f0)]
          const [l2, h2] = [(w4 & 0x0f0f0f0f) | ((w5 & 0x0f0f0f0f) << 4), ((w4 >>> 4) & 0x0f0f0f0f) | (w5 & 0xf0f0f0f0)]
          const [l3, h3] = [(w6 & 0x0f0f0f0f) | ((w7 & 0x0f0f0f0f) << 4), ((w6 >>> 4) & 0x0f0f0f0f) | (w7 & 0xf0f0f0f0)]
          const [a0, a1] = [(l0 & 0x00ff00ff) | ((l1 & 0x00ff00ff) << 8), ((l0 >>> 8) & 0x00ff00ff) | (l1 & 0xff00ff00)]
          const [a2, a3] = [(l2 & 0x00ff00ff) | ((l3 & 0x00ff00ff) << 8), ((l2 >>> 8) & 0x00ff00ff) | (l3 & 0xff00ff00)]
          codes[to] = (a0 & 0xffff) | (a2 << 16)
          codes[to + 4 * rowWords] = (a1 & 0xffff) | (a3 << 16)
          codes[to + rowWords] = (a0 >>> 16) | (a2 & 0xffff0000)
          codes[to + 5 * rowWords] = (a1 >>> 16) | (a3 & 0xffff0000)
          const [b0, b1] = [(h0 & 0x00ff00ff) | ((h1 & 0x00ff00ff) << 8), ((h0 >>> 8) & 0x00ff00ff) | (h1 & 0xff00ff00)]
          const [b2, b3] = [(h2 & 0x00ff00ff) | ((h3 & 0x00ff00ff) << 8), ((h2 >>> 8) & 0x00ff00ff) | (h3 & 0xff00ff00)]
          codes[to + 2 * rowWords] = (b0 & 0xffff) | (b2 << 16)
          codes[to + 6 * rowWords] = (b1 & 0xffff) | (b3 << 16)
          codes[to + 3 * rowWords] = (b0 >>> 16) | (b2 & 0xffff0000)
          codes[to + 7 * rowWords] = (b1 >>> 16) | (b3 & 0xffff0000)
        }
      }
    }
  }
}

function cut({ codes, zeros, scales }: Rows, start: number, end: number, rows: number): Rows {
  if (start === 0 && end === rows) return { codes, zeros, scales }
  const [rowBytes, groups] = [codes.length / rows, scales.length / rows]
  return {
    codes: codes.slice(start * rowBytes, end * rowBytes),
    zeros: zeros.slice(start * groups, end * groups),
    scales: scales.slice(start * groups, end * groups),
  }
}

function decode({ codes, zeros, scales }: Rows, { columns, groups }: Form): Float32Array<ArrayBuffer> {
  const rows = scales.length / groups
  const rowBytes = Math.ceil(columns / 2)
  const size = columns / groups
  const values = new Float32Array(rows * columns)
  let at = 0
  for (let row = 0; row < rows; row++) {
    for (let group = 0; group < groups; group++) {
      const scale = scales[row * groups + group] ?? 0
      const zero = zeros[row * groups + group] ?? 0
      for (let column = group * size; column < (group + 1) * size; column++) {
        const byte = codes[row * rowBytes + (column >>> 1)] ?? 0
        values[at] = scale * ((column % 2 === 0 ? byte & 15 : byte >>> 4) - zero)
        at += 1
      }
    }
  }
  return values
}
