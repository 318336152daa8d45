import { damagedPart, moduleOf, readFloats, readPart, readWords, requirePart, unsupportedForm } from '../quantized-parts.ts'
import type { DecodeRows, FindTensor, QuantizedMatrix, SourceFormat } from '../source-format.ts'
import type { StoredTensor } from '../stored-tensor.ts'

/** Widths in wide use; versions differ in how they pack others. */
const knownBits: readonly number[] = [4, 8]

interface Extent {
  readonly rows: number
  readonly columns: number
}

/**
 * compressed-tensors (llm-compressor, vLLM): `pack-quantized` codes of 4 and 8 bits in words along the row, and
 * `int-quantized` int8. W = (code - zero point) * scale, one scale a matrix, a row or a group of columns, which `weight_g_idx`
 * may name in any order.
 */
const compressedTensors: SourceFormat = {
  method: 'compressed-tensors',
  title: 'compressed-tensors',

  open({ name, shape: [rows = 0, columns = 0] }, find): QuantizedMatrix | null {
    const module = moduleOf(name)
    if (find(`${module}.weight_packed`) !== undefined) return openPacked(module, { rows, columns }, find)
    if (find(name)?.dtype === 'I8') return openInt8(module, { rows, columns }, find)
    return null
  },
}

export default compressedTensors

function openPacked(module: string, { rows, columns }: Extent, find: FindTensor): QuantizedMatrix {
  const packed = requirePart(find, `${module}.weight_packed`, { dtype: 'I32', shape: [rows, null] })
  const words = packed.shape[1] ?? 0
  const bits = knownBits.find((each) => words === Math.ceil((columns * each) / 32))
  if (bits === undefined) throw unsupportedForm(packed.name, `has ${words} words a row of ${columns}; 4 and 8 bits a weight can be read`)
  const shape = requirePart(find, `${module}.weight_shape`, { dtype: 'I64', shape: [2] })
  const scale = scaleOf(module, { rows, columns }, find)
  const groups = scale.shape[1] ?? 1
  const zeroName = `${module}.weight_zero_point`
  const zeros =
    find(zeroName) === undefined ? null : requirePart(find, zeroName, { dtype: 'I32', shape: [Math.ceil((rows * bits) / 32), groups] })
  const index = indexOf(module, columns, find)
  return {
    parts: [packed, shape, scale, ...(zeros === null ? [] : [zeros]), ...(index === null ? [] : [index])],
    async load(signal) {
      const said = new BigInt64Array((await readPart(shape, signal)).buffer)
      if (said[0] !== BigInt(rows) || said[1] !== BigInt(columns)) throw damagedPart(shape, `does not say ${rows} x ${columns}`)
      const zeroWords = zeros === null ? null : await readWords(zeros, signal)
      const middle = 2 ** (bits - 1)
      return decoder({
        columns,
        groups,
        scales: await readFloats(scale, signal),
        groupOf: await groupsOf(index, { columns, groups }, signal),
        zeroOf: (row, group) => (zeroWords === null ? middle : zeroField(zeroWords, { row, group, groups, bits })),
        codesOf: async (rowStart, rowEnd, rowSignal) => {
          const bytes = await readPart(packed, rowSignal, [rowStart * words * 4, rowEnd * words * 4])
          return unpackRows(new Uint32Array(bytes.buffer), { rows: rowEnd - rowStart, columns, words, bits })
        },
      })
    },
  }
}

function openInt8(module: string, { rows, columns }: Extent, find: FindTensor): QuantizedMatrix {
  const codes = requirePart(find, `${module}.weight`, { dtype: 'I8', shape: [rows, columns] })
  const scale = scaleOf(module, { rows, columns }, find)
  const zeroName = `${module}.weight_zero_point`
  const zeros = find(zeroName) === undefined ? null : requirePart(find, zeroName, { dtype: 'I8', shape: scale.shape })
  const groups = scale.shape[1] ?? 1
  const index = indexOf(module, columns, find)
  const inputs = [`${module}.input_scale`, `${module}.input_zero_point`].flatMap((each) => find(each) ?? [])
  return {
    parts: [codes, scale, ...(zeros === null ? [] : [zeros]), ...(index === null ? [] : [index]), ...inputs],
    async load(signal) {
      const scales = await readFloats(scale, signal)
      const zeroPoints = zeros === null ? null : new Int8Array((await readPart(zeros, signal)).buffer)
      return decoder({
        columns,
        groups,
        scales,
        groupOf: await groupsOf(index, { columns, groups }, signal),
        zeroOf: (row, group) => zeroPoints?.[scales.length === 1 ? 0 : row * groups + group] ?? 0,
        codesOf: async (rowStart, rowEnd, rowSignal) =>
          new Int8Array((await readPart(codes, rowSignal, [rowStart * columns, rowEnd * columns])).buffer),
      })
    },
  }
}

/** [1] for a matrix, [rows, 1] for rows, [rows, groups]. */
function scaleOf(module: string, { rows, columns }: Extent, find: FindTensor): StoredTensor {
  const name = `${module}.weight_scale`
  const isWhole = find(name)?.shape.join() === '1'
  const scale = requirePart(find, name, { dtype: 'float', shape: isWhole ? [1] : [rows, null] })
  const groups = scale.shape[1] ?? 1
  if (groups < 1 || columns % groups !== 0) throw unsupportedForm(name, `has ${groups} groups for rows of ${columns}`)
  return scale
}

function indexOf(module: string, columns: number, find: FindTensor): StoredTensor | null {
  const name = `${module}.weight_g_idx`
  return find(name) === undefined ? null : requirePart(find, name, { dtype: 'I32', shape: [columns] })
}

async function groupsOf(
  index: StoredTensor | null,
  { columns, groups }: { readonly columns: number; readonly groups: number },
  signal?: AbortSignal,
): Promise<Int32Array> {
  const size = columns / groups
  if (index === null) return Int32Array.from({ length: columns }, (_, column) => Math.floor(column / size))
  const named = new Int32Array((await readWords(index, signal)).buffer)
  const wrong = named.find((group) => group < 0 || group >= groups)
  if (wrong !== undefined) throw damagedPart(index, `names group ${wrong} of ${groups}`)
  return named
}

interface Decoding {
  readonly columns: number
  readonly groups: number
  readonly scales: Float32Array
  readonly groupOf: Int32Array
  readonly zeroOf: (row: number, group: number) => number
  readonly codesOf: (rowStart: number, rowEnd: number, signal?: AbortSignal) => Promise<Uint8Array | Int8Array>
}

function decoder({ columns, groups, scales, groupOf, zeroOf, codesOf }: Decoding): DecodeRows {
  return async ({ rowStart, rowEnd }, signal) => {
    const codes = await codesOf(rowStart, rowEnd, signal)
    const values = new Float32Array(codes.length)
    const zeros = new Int32Array(groups)
    const steps = new Float32Array(groups)
    let at = 0
    for (let row = rowStart; row < rowEnd; row++) {
      for (let group = 0; group < groups; group++) {
        zeros[group] = zeroOf(row, group)
        steps[group] = scales[scales.length === 1 ? 0 : row * groups + group] ?? 0
      }
      for (let column = 0; column < columns; column++) {
        const group = groupOf[column] ?? 0
        values[at] = ((codes[at] ?? 0) - (zeros[group] ?? 0)) * (steps[group] ?? 0)
        at += 1
      }
    }
    return values
  }
}

interface Packing extends Extent {
  readonly words: number
  readonly bits: number
}

/** Codes as they are stored, the middle of the range added. */
function unpackRows(stored: Uint32Array, { rows, columns, words, bits }: Packing): Uint8Array {
  const codes = new Uint8Array(rows * columns)
  const mask = 2 ** bits - 1
  let at = 0
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const bit = column * bits
      codes[at] = ((stored[row * words + (bit >>> 5)] ?? 0) >>> (bit & 31)) & mask
      at += 1
    }
  }
  return codes
}

/** Zero points are packed along the outputs. */
function zeroField(
  words: Uint32Array,
  { row, group, groups, bits }: { readonly row: number; readonly group: number; readonly groups: number; readonly bits: number },
): number {
  const bit = row * bits
  return ((words[(bit >>> 5) * groups + group] ?? 0) >>> (bit & 31)) & (2 ** bits - 1)
}
