import { Scratch } from '../../io/scratch.ts'
import { type AffineTensor, packedRowBytes } from '../../kernels/contract/affine.ts'
import type { RowRange } from '../checkpoint.ts'
import { damagedPart, moduleOf, readFloats, readPart, readPartInto, readWords, requirePart, unsupportedForm } from '../quantized-parts.ts'
import type { FindTensor, LoadedMatrix, QuantizedMatrix, SourceFormat } from '../source-format.ts'
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
      const middle = 2 ** (bits - 1)
      const memory = new Scratch()
      return matrixOf({
        ...{ columns, groups, bits, scale },
        groupOf: await groupsOf(index, { columns, groups }, signal),
        zerosOf: async (range, rowSignal) => {
          const fields = new Uint8Array((range.rowEnd - range.rowStart) * groups).fill(middle)
          if (zeros !== null) await readZeroFields(zeros, { bits, groups, range, fields }, rowSignal)
          return fields
        },
        codesOf: async ({ rowStart, rowEnd }, rowSignal) => {
          const bytes = await readPartInto(packed, [rowStart * words * 4, rowEnd * words * 4], memory, rowSignal)
          return withoutPadding(bytes, { rows: rowEnd - rowStart, from: 4 * words, to: packedRowBytes(columns, bits) })
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
      const memory = new Scratch()
      return matrixOf({
        ...{ columns, groups, bits: 8, scale },
        groupOf: await groupsOf(index, { columns, groups }, signal),
        zerosOf: async ({ rowStart, rowEnd }, rowSignal) => {
          const count = (rowEnd - rowStart) * groups
          if (zeros === null) return new Uint8Array(count).fill(128)
          if (zeros.end - zeros.start === 1) return new Uint8Array(count).fill(128 + ((await readPart(zeros, rowSignal))[0] ?? 0))
          return unsigned(await readPart(zeros, rowSignal, [rowStart * groups, rowEnd * groups]))
        },
        codesOf: async ({ rowStart, rowEnd }, rowSignal) =>
          unsigned(await readPartInto(codes, [rowStart * columns, rowEnd * columns], memory, rowSignal)),
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

interface Coded {
  readonly columns: number
  readonly groups: number
  readonly bits: number
  readonly scale: StoredTensor
  readonly groupOf: Int32Array
  /** Zero points [rows, groups], the middle of the range added. */
  readonly zerosOf: (rows: RowRange, signal?: AbortSignal) => Promise<Uint8Array<ArrayBuffer>>
  /** A bit stream a row, the middle of the range added, rows filled up to whole bytes. */
  readonly codesOf: (rows: RowRange, signal?: AbortSignal) => Promise<Uint8Array<ArrayBuffer>>
}

function matrixOf({ columns, groups, bits, scale, groupOf, zerosOf, codesOf }: Coded): LoadedMatrix {
  const isOne = scale.shape.length === 1
  const scalesOf = async ({ rowStart, rowEnd }: RowRange, signal?: AbortSignal): Promise<Float32Array<ArrayBuffer>> =>
    isOne
      ? new Float32Array((rowEnd - rowStart) * groups).fill((await readFloats(scale, signal))[0] ?? 0)
      : readFloats(scale, signal, [rowStart * groups, rowEnd * groups])
  const size = columns / groups
  const read = async (range: RowRange, signal?: AbortSignal): Promise<AffineTensor> => ({
    ...{ rows: range.rowEnd - range.rowStart, columns, bits, isSymmetric: false, group: groups === 1 ? 'row' : size },
    codes: await codesOf(range, signal),
    scales: await scalesOf(range, signal),
    zeroPoints: await zerosOf(range, signal),
  })
  const isInOrder = groupOf.every((group, column) => group === Math.floor(column / size))
  return {
    values: async (range, signal) => decode(await read(range, signal), groupOf),
    codes: isInOrder ? async (range, signal) => ({ encoding: 'affine', affine: await read(range, signal) }) : null,
  }
}

function decode({ rows, columns, bits, codes, scales, zeroPoints }: AffineTensor, groupOf: Int32Array): Float32Array<ArrayBuffer> {
  const groups = scales.length / rows
  const mask = 2 ** bits - 1
  const rowBytes = packedRowBytes(columns, bits)
  const values = new Float32Array(rows * columns)
  let at = 0
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const bit = column * bits
      const code = ((codes[row * rowBytes + (bit >>> 3)] ?? 0) >>> (bit & 7)) & mask
      const own = row * groups + (groupOf[column] ?? 0)
      values[at] = (code - (zeroPoints[own] ?? 0)) * (scales[own] ?? 0)
      at += 1
    }
  }
  return values
}

/** Rows of words as rows of bytes: what fills the last word up is left out. */
function withoutPadding(
  bytes: Uint8Array<ArrayBuffer>,
  { rows, from, to }: { readonly rows: number; readonly from: number; readonly to: number },
): Uint8Array<ArrayBuffer> {
  if (from === to) return bytes
  const codes = new Uint8Array(rows * to)
  for (let row = 0; row < rows; row++) codes.set(bytes.subarray(row * from, row * from + to), row * to)
  return codes
}

/** Bytes in two's complement, 128 added. */
function unsigned(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, Math.floor(bytes.length / 4))
  for (let i = 0; i < words.length; i++) words[i] = (words[i] ?? 0) ^ 0x80808080
  for (let i = 4 * words.length; i < bytes.length; i++) bytes[i] = (bytes[i] ?? 0) ^ 0x80
  return bytes
}

/** Zero points are packed along the outputs: [words of rows, groups]. */
async function readZeroFields(
  part: StoredTensor,
  into: { readonly bits: number; readonly groups: number; readonly range: RowRange; readonly fields: Uint8Array },
  signal?: AbortSignal,
): Promise<void> {
  const { bits, groups, range, fields } = into
  const inWord = 32 / bits
  const [first, last] = [Math.floor(range.rowStart / inWord), Math.ceil(range.rowEnd / inWord)]
  const words = new Int32Array((await readPart(part, signal, [4 * first * groups, 4 * last * groups])).buffer)
  const mask = 2 ** bits - 1
  for (let row = range.rowStart, at = 0; row < range.rowEnd; row++) {
    const line = (Math.floor(row / inWord) - first) * groups
    const shift = bits * (row % inWord)
    for (let group = 0; group < groups; group++, at++) fields[at] = ((words[line + group] ?? 0) >>> shift) & mask
  }
}
