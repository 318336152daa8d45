import { widenValues } from '../../core/widen.ts'
import { Scratch } from '../../io/scratch.ts'
import { LineMemory } from '../../kernels/transpose/line-memory.ts'
import type { RowRange } from '../checkpoint.ts'
import { floatsOfLines } from '../float-lines.ts'
import { inStrips, moduleOf, readStrips, requirePart, type Strip, unsupportedForm } from '../quantized-parts.ts'
import type { CodeRows, QuantizedMatrix, SourceFormat } from '../source-format.ts'
import { elementBytes, type StoredTensor } from '../stored-tensor.ts'

const bits = 4
/** Outputs in a word. */
const unit = 8

/**
 * Rows of a matrix as the file has them, across its lines: weights [columns, rows / 8] and zeros [groups, rows / 8] in words of eight
 * outputs, even ones in the low half and odd ones in the high half; scales [groups, rows].
 */
type Parts = Readonly<Record<'weights' | 'zeros' | 'scales', Uint8Array>>

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
    return {
      parts: [qweight, qzeros, scales],
      async load(_signal, lineMemory = new LineMemory()) {
        const memory = { codes: new Scratch(), zeros: new Scratch(), scales: new Scratch() }
        const form = { columns, groups, scales, lineMemory, spare: new Scratch() }
        const lined = {
          weights: { part: qweight, rows, rowBits: bits },
          zeros: { part: qzeros, rows, rowBits: bits },
          scales: { part: scales, rows, rowBits: 8 * elementBytes(scales) },
        }
        const strips = inStrips({ rows, rowBytes: columns / 2, unit }, (range, signal) => readStrips(lined, range, lineMemory, signal))
        const read = async (range: RowRange, signal?: AbortSignal): Promise<Rows> => {
          // Whole words, of which the rows that were not asked for are left out again.
          const [first, last] = [Math.floor(range.rowStart / unit) * unit, Math.ceil(range.rowEnd / unit) * unit]
          const count = last - first
          const into = {
            codes: memory.codes.take(count * Math.ceil(columns / 2)),
            zeros: memory.zeros.take(count * groups),
            scales: widenValues('F32', memory.scales.take(4 * count * groups)),
          }
          const whole = { rowStart: first, rowEnd: last }
          for await (const strip of strips(whole, signal)) turnRows(strip, form, { range: whole, into })
          return cut(into, range.rowStart - first, range.rowEnd - first, count)
        }
        const codes = async (range: RowRange, signal?: AbortSignal): Promise<CodeRows> => {
          const found = await read(range, signal)
          const group = groups === 1 ? ('row' as const) : columns / groups
          const shape = { rows: range.rowEnd - range.rowStart, columns, bits, isSymmetric: false, group }
          return { encoding: 'affine', affine: { ...shape, codes: found.codes, scales: found.scales, zeroPoints: found.zeros } }
        }
        return { values: async (range, signal) => decode(await read(range, signal), { columns, groups }), codes }
      },
    }
  },
}

export default awq

interface Form {
  readonly columns: number
  readonly groups: number
  /** The part they come from. */
  readonly scales: StoredTensor
  readonly lineMemory: LineMemory
  readonly spare: Scratch
}

/** Puts what a strip has of a range of rows row by row; both are whole words. */
function turnRows(
  { parts: { weights, zeros, scales }, ...strip }: Strip<Parts>,
  { columns, groups, scales: scalesPart, lineMemory, spare }: Form,
  { range, into }: { readonly range: RowRange; readonly into: Rows },
): void {
  const stripRows = strip.rowEnd - strip.rowStart
  const [start, end] = [Math.max(range.rowStart, strip.rowStart), Math.min(range.rowEnd, strip.rowEnd)]
  const [row, count] = [start - range.rowStart, end - start]
  const rowBytes = Math.ceil(columns / 2)
  const place = { lineBytes: stripRows / 2, at: (start - strip.rowStart) / 2 }
  lineMemory.linesToNibbles(
    { ...place, bytes: weights },
    { bytes: into.codes.subarray(row * rowBytes, (row + count) * rowBytes), rowBytes },
  )
  const pairs = Math.ceil(groups / 2)
  const ofZeros = { bytes: spare.take(count * pairs), rowBytes: pairs }
  lineMemory.linesToNibbles({ ...place, bytes: zeros }, ofZeros)
  eachByte(ofZeros.bytes, groups, into.zeros.subarray(row * groups, (row + count) * groups))
  const lines = { bytes: scales, rows: stripRows, first: start - strip.rowStart }
  floatsOfLines(scalesPart, lines, lineMemory, into.scales.subarray(row * groups, (row + count) * groups))
}

/** Codes of columns two a byte, [rows, ceil(columns / 2)], as a byte each. */
function eachByte(pairs: Uint8Array, columns: number, into: Uint8Array): void {
  if (columns % 2 === 0) {
    const words = new Uint16Array(into.buffer, into.byteOffset, pairs.length)
    for (let at = 0; at < pairs.length; at++) {
      const pair = pairs[at] ?? 0
      words[at] = (pair & 15) | ((pair >>> bits) << 8)
    }
    return
  }
  for (let at = 0, to = 0; at < pairs.length; at++) {
    const pair = pairs[at] ?? 0
    into[to++] = pair & 15
    if (to % columns !== 0) into[to++] = pair >>> bits
  }
}

function cut({ codes, zeros, scales }: Rows, start: number, end: number, rows: number): Rows {
  if (start === 0 && end === rows) return { codes, zeros, scales }
  const [rowBytes, groups] = [codes.length / rows, scales.length / rows]
  return {
    codes: codes.subarray(start * rowBytes, end * rowBytes),
    zeros: zeros.subarray(start * groups, end * groups),
    scales: scales.subarray(start * groups, end * groups),
  }
}

function decode({ codes, zeros, scales }: Rows, { columns, groups }: Pick<Form, 'columns' | 'groups'>): Float32Array<ArrayBuffer> {
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
