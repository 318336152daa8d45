import * as v from 'valibot'
import { narrowToBfloat16, narrowToHalf, widenBfloat16, widenHalf } from '../../core/float16.ts'
import { Scratch } from '../../io/scratch.ts'
import { codeBooks } from '../../kernels/contract/codebook.ts'
import type { Int8RowsTensor } from '../../kernels/contract/int8-rows.ts'
import type { RowRange } from '../checkpoint.ts'
import { damagedPart, moduleOf, readFloats, readPart, readPartInto, requirePart } from '../quantized-parts.ts'
import type { FindTensor, LoadedMatrix, QuantizedMatrix, SourceFormat } from '../source-format.ts'
import type { StoredTensor } from '../stored-tensor.ts'

const books = ['nf4', 'fp4'] as const

/** What bitsandbytes keeps as JSON in a tensor of bytes. */
const stateSchema = v.object({
  blocksize: v.pipe(v.number(), v.integer(), v.minValue(2)),
  dtype: v.picklist(['float32', 'float16', 'bfloat16']),
  shape: v.array(v.number()),
  nested_blocksize: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1))),
  nested_offset: v.optional(v.number()),
})
type State = v.InferOutput<typeof stateSchema>

/**
 * bitsandbytes: NF4 and FP4 in blocks over the flattened matrix (value = map[code] * absmax of the block, in f32, rounded to the
 * dtype of its state, which is what `dequantize_4bit` returns), double quantized or not; and LLM.int8() (code * SCB / 127).
 */
const bitsandbytes: SourceFormat = {
  method: 'bitsandbytes',
  title: 'bitsandbytes',

  open({ name, shape }, find): QuantizedMatrix | null {
    const [rows = 0, columns = 0] = shape
    if (find(`${moduleOf(name)}.SCB`) !== undefined) return openInt8(name, [rows, columns], find)
    const state = books.map((book) => find(`${name}.quant_state.bitsandbytes__${book}`)).find((found) => found !== undefined)
    return state === undefined ? null : openCodeBook(name, { state, rows, columns }, find)
  },
}

export default bitsandbytes

function openInt8(name: string, [rows, columns]: readonly [number, number], find: FindTensor): QuantizedMatrix {
  const codes = requirePart(find, name, { dtype: 'I8', shape: [rows, columns] })
  const scales = requirePart(find, `${moduleOf(name)}.SCB`, { dtype: 'F32', shape: [rows] })
  const format = find(`${moduleOf(name)}.weight_format`)
  return {
    parts: [codes, scales, ...(format === undefined ? [] : [format])],
    async load(signal) {
      // 0 is "row"; the others are tilings of old graphics cards.
      if (format !== undefined && (await readPart(format, signal)).some((byte) => byte !== 0)) {
        throw damagedPart(format, 'names a tiling of graphics cards, which newer versions of bitsandbytes do not write')
      }
      const largest = await readFloats(scales, signal)
      const memory = new Scratch()
      const read = async ({ rowStart, rowEnd }: RowRange, rowSignal?: AbortSignal): Promise<Int8RowsTensor> => {
        const { buffer, byteOffset, length } = await readPartInto(codes, [rowStart * columns, rowEnd * columns], memory, rowSignal)
        const own = new Int8Array(buffer, byteOffset, length)
        return { rows: rowEnd - rowStart, columns, codes: own, scales: largest.subarray(rowStart, rowEnd) }
      }
      return {
        values: async (range, rowSignal) => int8Values(await read(range, rowSignal)),
        codes: async (range, rowSignal) => ({ encoding: 'int8-rows', int8Rows: await read(range, rowSignal) }),
      }
    },
  }
}

const inverseOf127 = Math.fround(1 / 127)

function int8Values({ rows, columns, codes, scales }: Int8RowsTensor): Float32Array<ArrayBuffer> {
  const values = new Float32Array(codes.length)
  for (let row = 0, at = 0; row < rows; row++) {
    const scale = scales[row] ?? 0
    for (let column = 0; column < columns; column++, at++) values[at] = Math.fround((codes[at] ?? 0) * scale) * inverseOf127
  }
  return values
}

interface CodeBookMatrix {
  readonly state: StoredTensor
  readonly rows: number
  readonly columns: number
}

function openCodeBook(name: string, { state, rows, columns }: CodeBookMatrix, find: FindTensor): QuantizedMatrix {
  const codes = requirePart(find, name, { dtype: 'U8', shape: [Math.ceil((rows * columns) / 2), 1] })
  const map = requirePart(find, `${name}.quant_map`, { dtype: 'F32', shape: [16] })
  const isNested = find(`${name}.nested_absmax`) !== undefined
  const absmax = requirePart(find, `${name}.absmax`, { dtype: isNested ? 'U8' : 'F32', shape: [null] })
  const nested = isNested
    ? {
        absmax: requirePart(find, `${name}.nested_absmax`, { dtype: 'F32', shape: [null] }),
        map: requirePart(find, `${name}.nested_quant_map`, { dtype: 'F32', shape: [256] }),
      }
    : null
  return {
    parts: [codes, map, absmax, state, ...(nested === null ? [] : [nested.absmax, nested.map])],
    async load(signal) {
      const settings = readState(state, await readPart(state, signal))
      if (settings.shape.join() !== [rows, columns].join()) {
        throw damagedPart(state, `says a matrix of ${settings.shape.join(' x ')}, which is ${rows} x ${columns} by config.json`)
      }
      if (absmax.shape[0] !== Math.ceil((rows * columns) / settings.blocksize)) {
        throw damagedPart(absmax, `has ${absmax.shape[0] ?? 0} scales, which are not those of blocks of ${settings.blocksize}`)
      }
      const nestedScales = nested === null ? null : await loadNested(nested, { settings, blocks: absmax.shape[0] }, signal)
      const scales: ReadScales = nestedScales
        ? async (blocks, rowSignal) => nestedScales(await readPart(absmax, rowSignal, blocks), blocks[0])
        : (blocks, rowSignal) => readFloats(absmax, rowSignal, blocks)
      return matrixOf({
        book: books.find((each) => state.name.endsWith(each)) ?? 'nf4',
        codes,
        columns,
        settings,
        scales,
        map: await readFloats(map, signal),
      })
    },
  }
}

function readState(part: StoredTensor, bytes: Uint8Array): State {
  try {
    return v.parse(stateSchema, JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)))
  } catch {
    throw damagedPart(part, 'does not hold the settings of bitsandbytes')
  }
}

/** Scales of blocks [start, end). */
type ReadScales = (blocks: readonly [number, number], signal?: AbortSignal) => Promise<Float32Array<ArrayBuffer>>

/** Makes scales of their codes, which are those from block `first` on. */
async function loadNested(
  nested: { readonly absmax: StoredTensor; readonly map: StoredTensor },
  { settings, blocks = 0 }: { readonly settings: State; readonly blocks: number | undefined },
  signal?: AbortSignal,
): Promise<(codes: Uint8Array, first: number) => Float32Array<ArrayBuffer>> {
  const size = settings.nested_blocksize ?? 256
  const offset = Math.fround(settings.nested_offset ?? 0)
  const map = await readFloats(nested.map, signal)
  const largest = await readFloats(nested.absmax, signal)
  if (largest.length !== Math.ceil(blocks / size)) throw damagedPart(nested.absmax, `does not belong to blocks of ${size}`)
  return (codes, first) => {
    const scales = new Float32Array(codes.length)
    for (let i = 0; i < scales.length; ) {
      const block = Math.floor((first + i) / size)
      const own = largest[block] ?? 0
      for (const end = Math.min(scales.length, (block + 1) * size - first); i < end; i++) {
        scales[i] = Math.fround((map[codes[i] ?? 0] ?? 0) * own) + offset
      }
    }
    return scales
  }
}

interface Coded {
  readonly book: (typeof books)[number]
  readonly codes: StoredTensor
  readonly columns: number
  readonly settings: State
  readonly scales: ReadScales
  /** Values by code. */
  readonly map: Float32Array
}

function matrixOf({ book, codes, columns, settings, scales, map }: Coded): LoadedMatrix {
  const { blocksize: blockSize } = settings
  const memory = new Scratch()
  /** From the block in which the range begins to that in which it ends. */
  const read = async ({ rowStart, rowEnd }: RowRange, signal?: AbortSignal) => {
    const [first, last] = [rowStart * columns, rowEnd * columns]
    return {
      first,
      last,
      bytes: await readPartInto(codes, [Math.floor(first / 2), Math.ceil(last / 2)], memory, signal),
      steps: await scales([Math.floor(first / blockSize), Math.ceil(last / blockSize)], signal),
    }
  }
  const isKnown = settings.dtype === 'float32' && map.every((value, code) => value === codeBooks[book][code])
  return {
    async values(range, signal) {
      const { first, last, bytes, steps } = await read(range, signal)
      const [firstByte, firstBlock] = [Math.floor(first / 2), Math.floor(first / blockSize)]
      const result = new Float32Array(last - first)
      for (let at = first; at < last; ) {
        const block = Math.floor(at / blockSize)
        const scale = steps[block - firstBlock] ?? 0
        const end = Math.min(last, (block + 1) * blockSize)
        for (; at < end; at++) {
          const byte = bytes[Math.floor(at / 2) - firstByte] ?? 0
          result[at - first] = (map[at % 2 === 0 ? Math.floor(byte / 16) : byte % 16] ?? 0) * scale
        }
      }
      return roundTo(settings.dtype, result)
    },
    // Of ranges that begin with a block.
    codes: !isKnown
      ? null
      : async (range, signal) => {
          const { bytes, steps } = await read(range, signal)
          const shape = { rows: range.rowEnd - range.rowStart, columns }
          return { encoding: 'codebook', codeBook: { ...shape, book, blockSize, codes: bytes, scales: steps } }
        },
  }
}

function roundTo(dtype: State['dtype'], values: Float32Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
  switch (dtype) {
    case 'float32':
      return values
    case 'float16':
      return widenHalf(narrowToHalf(values))
    case 'bfloat16':
      return widenBfloat16(narrowToBfloat16(values))
  }
}
