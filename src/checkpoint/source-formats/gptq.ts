import { widenValues } from '../../core/widen.ts'
import { signedWordsIn } from '../../core/words.ts'
import { Scratch } from '../../io/scratch.ts'
import { LineMemory } from '../../kernels/transpose/line-memory.ts'
import type { RowRange } from '../checkpoint.ts'
import { floatsOfLines } from '../float-lines.ts'
import { damagedPart, inStrips, moduleOf, readStrips, readWords, requirePart, type Strip, unsupportedForm } from '../quantized-parts.ts'
import type { CodeRows, LoadedMatrix, QuantizedMatrix, SourceFormat } from '../source-format.ts'
import { elementBytes, type StoredTensor } from '../stored-tensor.ts'

const knownBits: readonly number[] = [2, 3, 4, 8]
/** Runs of so many codes fill whole words at every width. */
const unit = 32

/**
 * Rows of a matrix as the file has them, across its lines: weights [columns * bits / 32, rows] and zeros [groups, rows * bits / 32] in
 * words, scales [groups, rows].
 */
type Parts = Readonly<Record<'weights' | 'zeros' | 'scales', Uint8Array<ArrayBuffer>>>

/** Rows one behind the other. */
interface Rows {
  /** [rows, columns * bits / 32]: a bit stream a row, least significant first. */
  readonly weights: Int32Array<ArrayBuffer>
  /** [rows, groups]. */
  readonly zeros: Uint8Array<ArrayBuffer>
  /** [rows, groups]. */
  readonly scales: Float32Array<ArrayBuffer>
}

interface Form {
  readonly bits: number
  /** Words of a row. */
  readonly words: number
  readonly groups: number
  /** What v1 stores less than the zero point is. */
  readonly zeroShift: number
  /** The part they come from. */
  readonly scales: StoredTensor
  readonly lineMemory: LineMemory
  readonly spare: Scratch
}

/**
 * The layout of AutoGPTQ and GPTQModel: W[o][i] = scale * (code - zero) with the group of input i in `g_idx`, in any order.
 * Format v1 (`checkpoint_format` absent or `gptq`) stores zero points minus one, wrapped within their field; `gptq_v2` as they are.
 */
const gptq: SourceFormat = {
  method: 'gptq',
  title: 'GPTQ',

  open({ name, shape: [rows = 0, columns = 0] }, find, config): QuantizedMatrix | null {
    const module = moduleOf(name)
    const found = find(`${module}.qweight`)
    if (found === undefined) return null
    const bits = ((found.shape[0] ?? 0) * 32) / columns
    if (!knownBits.includes(bits)) throw unsupportedForm(`${module}.qweight`, `holds ${bits} bits a weight; 2, 3, 4 and 8 can be read`)
    const words = (columns * bits) / 32
    const qweight = requirePart(find, found.name, { dtype: 'I32', shape: [words, rows] })
    const qzeros = requirePart(find, `${module}.qzeros`, { dtype: 'I32', shape: [null, (rows * bits) / 32] })
    const groups = qzeros.shape[0] ?? 0
    const scales = requirePart(find, `${module}.scales`, { dtype: 'float', shape: [groups, rows] })
    // Old files of whole groups in order have none.
    const index = find(`${module}.g_idx`) === undefined ? null : requirePart(find, `${module}.g_idx`, { dtype: 'I32', shape: [columns] })
    const zeroShift = (config['checkpoint_format'] ?? config['format'] ?? 'gptq') === 'gptq_v2' ? 0 : 1
    return {
      parts: [qweight, qzeros, scales, ...(index === null ? [] : [index])],
      async load(signal, lineMemory = new LineMemory()) {
        const inOrder = Int32Array.from({ length: columns }, (_, column) => Math.floor(column / Math.ceil(columns / groups)))
        const groupOf = index === null ? inOrder : new Int32Array((await readWords(index, signal)).buffer)
        const wrong = groupOf.find((group) => group < 0 || group >= groups)
        if (wrong !== undefined) throw damagedPart(index ?? qzeros, `names group ${wrong} of ${groups}`)
        const memory = { weights: new Scratch(), zeros: new Scratch(), scales: new Scratch() }
        const form = { bits, words, groups, zeroShift, scales, lineMemory, spare: new Scratch() }
        const lined = {
          weights: { part: qweight, rows, rowBits: 32 },
          zeros: { part: qzeros, rows, rowBits: bits },
          scales: { part: scales, rows, rowBits: 8 * elementBytes(scales) },
        }
        const strips = inStrips({ rows, rowBytes: 4 * words, unit }, (range, stripSignal) =>
          readStrips(lined, range, lineMemory, stripSignal),
        )
        const read = async (range: RowRange, rowSignal?: AbortSignal): Promise<Rows> => {
          const count = range.rowEnd - range.rowStart
          const into = {
            weights: signedWordsIn(memory.weights.take(4 * count * words)),
            zeros: memory.zeros.take(count * groups),
            scales: widenValues('F32', memory.scales.take(4 * count * groups)),
          }
          for await (const strip of strips(range, rowSignal)) turnRows(strip, form, { range, into })
          return into
        }
        return matrixOf(form, groupOf, read)
      },
    }
  },
}

export default gptq

function matrixOf(form: Form, groupOf: Int32Array, read: (range: RowRange, signal?: AbortSignal) => Promise<Rows>): LoadedMatrix {
  const { bits, groups } = form
  const columns = groupOf.length
  const size = Math.ceil(columns / groups)
  const isInOrder = groupOf.every((group, column) => group === Math.floor(column / size))
  const codes = async (range: RowRange, signal?: AbortSignal): Promise<CodeRows> => {
    const { weights, zeros, scales } = await read(range, signal)
    const shape = { rows: range.rowEnd - range.rowStart, columns, bits, isSymmetric: false, group: groups === 1 ? ('row' as const) : size }
    return {
      encoding: 'affine',
      affine: { ...shape, codes: new Uint8Array(weights.buffer, weights.byteOffset, weights.byteLength), scales, zeroPoints: zeros },
    }
  }
  return {
    values: async (range, signal) => decode(await read(range, signal), form, groupOf),
    codes: isInOrder ? codes : null,
  }
}

/** Puts what a strip has of a range of rows row by row. */
function turnRows(
  { parts: { weights, zeros, scales }, ...strip }: Strip<Parts>,
  { bits, words, groups, zeroShift, scales: scalesPart, lineMemory, spare }: Form,
  { range, into }: { readonly range: RowRange; readonly into: Rows },
): void {
  const stripRows = strip.rowEnd - strip.rowStart
  const [start, end] = [Math.max(range.rowStart, strip.rowStart), Math.min(range.rowEnd, strip.rowEnd)]
  const place = { first: start - strip.rowStart, count: end - start }
  const row = start - range.rowStart
  const own = into.weights.subarray(row * words, (row + place.count) * words)
  const rowsOf = { bytes: new Uint8Array(own.buffer, own.byteOffset, own.byteLength), rowBytes: 4 * words }
  lineMemory.linesToWords({ bytes: weights, lineBytes: 4 * stripRows, at: 4 * place.first }, rowsOf)
  const lines = { bytes: scales, rows: stripRows, first: place.first }
  floatsOfLines(scalesPart, lines, lineMemory, into.scales.subarray(row * groups, (row + place.count) * groups))
  // From the byte on in which the first field lies.
  const skipped = place.first % 8
  const ofZeros = { bytes: spare.take((skipped + place.count) * groups), rowBytes: groups }
  const fields = { bytes: zeros, lineBytes: (stripRows * bits) / 8, at: ((place.first - skipped) * bits) / 8 }
  lineMemory.fieldLinesToBytes(fields, ofZeros, { bits, more: zeroShift })
  into.zeros.set(ofZeros.bytes.subarray(skipped * groups), row * groups)
}

function decode({ weights, zeros, scales }: Rows, { bits, words, groups }: Form, groupOf: Int32Array): Float32Array<ArrayBuffer> {
  const columns = groupOf.length
  const rows = weights.length / words
  const mask = 2 ** bits - 1
  const values = new Float32Array(rows * columns)
  let at = 0
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const bit = column * bits
      const word = row * words + (bit >>> 5)
      const shift = bit & 31
      const low = (weights[word] ?? 0) >>> shift
      const code = (shift + bits > 32 ? low | ((weights[word + 1] ?? 0) << (32 - shift)) : low) & mask
      const group = row * groups + (groupOf[column] ?? 0)
      values[at] = (scales[group] ?? 0) * (code - (zeros[group] ?? 0))
      at += 1
    }
  }
  return values
}
