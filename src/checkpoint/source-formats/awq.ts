import { Scratch } from '../../io/scratch.ts'
import type { RowRange } from '../checkpoint.ts'
import { inStrips, moduleOf, readFloatStrip, readWordStrip, requirePart, unsupportedForm } from '../quantized-parts.ts'
import type { CodeRows, QuantizedMatrix, SourceFormat } from '../source-format.ts'

const bits = 4
/** Outputs in a word. */
const unit = 8
/** Outputs of which a word has the low halves of its four bytes, and the high ones, by byte. */
const lowOutputs = [0, 2, 4, 6].map((nibble) => outputOf(nibble))
const highOutputs = [1, 3, 5, 7].map((nibble) => outputOf(nibble))
/** Columns that are turned at a time: their words stay in the cache. */
const turned = 64

/** Output of the eight of a word that stands in a nibble: even outputs in the low half of the word, odd ones in the high half. */
function outputOf(nibble: number): number {
  return nibble < 4 ? 2 * nibble : 2 * (nibble - 4) + 1
}

/** Rows of a matrix as the file has them: across its lines. */
interface Strip {
  /** [columns, rows / 8]. */
  readonly weights: Uint32Array
  /** [groups, rows / 8]. */
  readonly zeros: Uint32Array
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
      async load() {
        const memory = { strip: new Scratch(), codes: new Scratch(), zeros: new Scratch(), scales: new Scratch() }
        const strips = inStrips({ rows, rowBytes: columns / 2, unit }, async ({ rowStart: start, rowEnd: end }, signal): Promise<Strip> => {
          const words = { lineWords: rows / unit, start: start / unit, end: end / unit }
          return {
            weights: await readWordStrip(qweight, { ...words, scratch: memory.strip }, signal),
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
  const rowBytes = Math.ceil(columns / 2)
  const stripRows = strip.rowEnd - strip.rowStart
  const stripWords = stripRows / unit
  const [start, end] = [Math.max(range.rowStart, strip.rowStart), Math.min(range.rowEnd, strip.rowEnd)]
  const places = new Int32Array(unit)
  const { codes } = into
  for (let firstColumn = 0; firstColumn < columns; firstColumn += turned) {
    const lastColumn = Math.min(columns, firstColumn + turned)
    for (let row = start; row < end; row += unit) {
      const word = (row - strip.rowStart) / unit
      for (let byte = 0; byte < 4; byte++) {
        places[byte] = (row - range.rowStart + (lowOutputs[byte] ?? 0)) * rowBytes
        places[4 + byte] = (row - range.rowStart + (highOutputs[byte] ?? 0)) * rowBytes
      }
      const [l0 = 0, l1 = 0, l2 = 0, l3 = 0, h0 = 0, h1 = 0, h2 = 0, h3 = 0] = places
      for (let column = firstColumn; column < lastColumn; column += 2) {
        const one = weights[column * stripWords + word] ?? 0
        const next = column + 1 < columns ? (weights[(column + 1) * stripWords + word] ?? 0) : 0
        // Byte by byte the codes of two columns, as a row has them side by side.
        const low = (one & 0x0f0f0f0f) | ((next & 0x0f0f0f0f) << 4)
        const high = ((one >>> 4) & 0x0f0f0f0f) | (next & 0xf0f0f0f0)
        const at = column >>> 1
        codes[l0 + at] = low
        codes[l1 + at] = low >>> 8
        codes[l2 + at] = low >>> 16
        codes[l3 + at] = low >>> 24
        codes[h0 + at] = high
        codes[h1 + at] = high >>> 8
        codes[h2 + at] = high >>> 16
        codes[h3 + at] = high >>> 24
      }
    }
  }
  for (let group = 0; group < groups; group++) {
    for (let row = start; row < end; row++) {
      const from = row - strip.rowStart
      const to = (row - range.rowStart) * groups + group
      const inWord = from % unit
      const nibble = (inWord >>> 1) + 4 * (inWord & 1)
      into.zeros[to] = ((zeros[group * stripWords + Math.floor(from / unit)] ?? 0) >>> (bits * nibble)) & 15
      into.scales[to] = scales[group * stripRows + from] ?? 0
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
