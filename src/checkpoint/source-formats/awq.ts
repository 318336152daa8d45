import type { RowRange } from '../checkpoint.ts'
import { moduleOf, readFloats, readWords, requirePart, unsupportedForm } from '../quantized-parts.ts'
import type { QuantizedMatrix, SourceFormat } from '../source-format.ts'

const bits = 4
/** Nibble of a word that holds output j of its eight. */
const nibbleOf = [0, 4, 1, 5, 2, 6, 3, 7] as const

interface PackedLinear {
  readonly rows: number
  readonly columns: number
  /** [columns, rows / 8]. */
  readonly weights: Uint32Array
  /** [groups, rows / 8]. */
  readonly zeros: Uint32Array
  /** [groups, rows]. */
  readonly scales: Float32Array
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
    const qweight = requirePart(find, `${module}.qweight`, { dtype: 'I32', shape: [columns, rows / 8] })
    const qzeros = requirePart(find, `${module}.qzeros`, { dtype: 'I32', shape: [null, rows / 8] })
    const groups = qzeros.shape[0] ?? 0
    if (groups === 0 || columns % groups !== 0) {
      throw unsupportedForm(`${module}.qzeros`, `has ${groups} groups for ${columns} inputs; groups of one size can be read`)
    }
    const scales = requirePart(find, `${module}.scales`, { dtype: 'float', shape: [groups, rows] })
    return {
      parts: [qweight, qzeros, scales],
      async load(signal) {
        const linear: PackedLinear = {
          rows,
          columns,
          weights: await readWords(qweight, signal),
          zeros: await readWords(qzeros, signal),
          scales: await readFloats(scales, signal),
        }
        return async (range) => decode(linear, range)
      },
    }
  },
}

export default awq

function decode({ rows, columns, weights, zeros, scales }: PackedLinear, { rowStart, rowEnd }: RowRange): Float32Array<ArrayBuffer> {
  const words = rows / 8
  const groups = scales.length / rows
  const size = columns / groups
  const values = new Float32Array((rowEnd - rowStart) * columns)
  let at = 0
  for (let row = rowStart; row < rowEnd; row++) {
    const word = row >>> 3
    const shift = bits * (nibbleOf[row & 7] ?? 0)
    for (let group = 0; group < groups; group++) {
      const scale = scales[group * rows + row] ?? 0
      const zero = ((zeros[group * words + word] ?? 0) >>> shift) & 15
      for (let column = group * size; column < (group + 1) * size; column++) {
        values[at] = scale * ((((weights[column * words + word] ?? 0) >>> shift) & 15) - zero)
        at += 1
      }
    }
  }
  return values
}
