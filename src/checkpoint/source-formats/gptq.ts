import type { RowRange } from '../checkpoint.ts'
import { damagedPart, moduleOf, readFloats, readWords, requirePart, unsupportedForm } from '../quantized-parts.ts'
import type { QuantizedMatrix, SourceFormat } from '../source-format.ts'

const knownBits: readonly number[] = [2, 3, 4, 8]

/** A linear in memory: all its words. */
interface PackedLinear {
  readonly bits: number
  readonly rows: number
  readonly columns: number
  /** [columns * bits / 32, rows]. */
  readonly weights: Uint32Array
  /** [groups, rows * bits / 32]. */
  readonly zeros: Uint32Array
  /** What v1 stores less than the zero point is. */
  readonly zeroShift: number
  /** [groups, rows]. */
  readonly scales: Float32Array
  /** Group of each column. */
  readonly groupOf: Int32Array
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
    const qweight = requirePart(find, found.name, { dtype: 'I32', shape: [(columns * bits) / 32, rows] })
    const qzeros = requirePart(find, `${module}.qzeros`, { dtype: 'I32', shape: [null, (rows * bits) / 32] })
    const groups = qzeros.shape[0] ?? 0
    const scales = requirePart(find, `${module}.scales`, { dtype: 'float', shape: [groups, rows] })
    // Old files of whole groups in order have none.
    const index = find(`${module}.g_idx`) === undefined ? null : requirePart(find, `${module}.g_idx`, { dtype: 'I32', shape: [columns] })
    const zeroShift = (config['checkpoint_format'] ?? config['format'] ?? 'gptq') === 'gptq_v2' ? 0 : 1
    return {
      parts: [qweight, qzeros, scales, ...(index === null ? [] : [index])],
      async load(signal) {
        const linear: PackedLinear = {
          bits,
          rows,
          columns,
          zeroShift,
          weights: await readWords(qweight, signal),
          zeros: await readWords(qzeros, signal),
          scales: await readFloats(scales, signal),
          groupOf:
            index === null
              ? Int32Array.from({ length: columns }, (_, column) => Math.floor(column / Math.ceil(columns / groups)))
              : new Int32Array((await readWords(index, signal)).buffer),
        }
        const wrong = linear.groupOf.find((group) => group < 0 || group >= groups)
        if (wrong !== undefined) throw damagedPart(index ?? qzeros, `names group ${wrong} of ${groups}`)
        return async (range) => decode(linear, range)
      },
    }
  },
}

export default gptq

function decode(linear: PackedLinear, { rowStart, rowEnd }: RowRange): Float32Array<ArrayBuffer> {
  const { bits, rows, columns, weights, scales, groupOf } = linear
  const groups = scales.length / rows
  const mask = 2 ** bits - 1
  const values = new Float32Array((rowEnd - rowStart) * columns)
  const scaleOf = new Float32Array(groups)
  let at = 0
  for (let row = rowStart; row < rowEnd; row++) {
    const zeroOf = zerosOfRow(linear, row, groups)
    for (let group = 0; group < groups; group++) scaleOf[group] = scales[group * rows + row] ?? 0
    for (let column = 0; column < columns; column++) {
      const bit = column * bits
      const word = (bit >>> 5) * rows + row
      const shift = bit & 31
      const low = (weights[word] ?? 0) >>> shift
      const code = (shift + bits > 32 ? low | ((weights[word + rows] ?? 0) << (32 - shift)) : low) & mask
      const group = groupOf[column] ?? 0
      values[at] = (scaleOf[group] ?? 0) * (code - (zeroOf[group] ?? 0))
      at += 1
    }
  }
  return values
}

function zerosOfRow({ bits, rows, zeros, zeroShift }: PackedLinear, row: number, groups: number): Int32Array {
  const mask = 2 ** bits - 1
  const words = (rows * bits) / 32
  const word = (row * bits) >>> 5
  const shift = (row * bits) & 31
  return Int32Array.from({ length: groups }, (_, group) => {
    const at = group * words + word
    const low = (zeros[at] ?? 0) >>> shift
    const field = shift + bits > 32 ? low | ((zeros[at + 1] ?? 0) << (32 - shift)) : low
    return ((field & mask) + zeroShift) & mask
  })
}
