import * as v from 'valibot'
import { narrowToBfloat16, narrowToHalf, widenBfloat16, widenHalf } from '../../core/float16.ts'
import { damagedPart, moduleOf, readFloats, readPart, requirePart } from '../quantized-parts.ts'
import type { DecodeRows, FindTensor, QuantizedMatrix, SourceFormat } from '../source-format.ts'
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
      return async ({ rowStart, rowEnd }, rowSignal) => {
        const bytes = await readPart(codes, rowSignal, [rowStart * columns, rowEnd * columns])
        const signed = new Int8Array(bytes.buffer)
        return Float32Array.from(signed, (code, i) => {
          const scale = largest[rowStart + Math.floor(i / columns)] ?? 0
          return Math.fround(code * scale) * inverseOf127
        })
      }
    },
  }
}

const inverseOf127 = Math.fround(1 / 127)

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
      const scales = nested === null ? await readFloats(absmax, signal) : await nestedScales({ absmax, nested, settings }, signal)
      return decoder({ codes, columns, settings, scales, values: await readFloats(map, signal) })
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

async function nestedScales(
  from: {
    readonly absmax: StoredTensor
    readonly nested: { readonly absmax: StoredTensor; readonly map: StoredTensor }
    readonly settings: State
  },
  signal?: AbortSignal,
): Promise<Float32Array<ArrayBuffer>> {
  const { absmax, nested, settings } = from
  const size = settings.nested_blocksize ?? 256
  const offset = Math.fround(settings.nested_offset ?? 0)
  const codes = await readPart(absmax, signal)
  const map = await readFloats(nested.map, signal)
  const largest = await readFloats(nested.absmax, signal)
  if (largest.length !== Math.ceil(codes.length / size)) throw damagedPart(nested.absmax, `does not belong to blocks of ${size}`)
  return Float32Array.from(codes, (code, i) => Math.fround((map[code] ?? 0) * (largest[Math.floor(i / size)] ?? 0)) + offset)
}

interface Decoding {
  readonly codes: StoredTensor
  readonly columns: number
  readonly settings: State
  readonly scales: Float32Array
  readonly values: Float32Array
}

function decoder({ codes, columns, settings, scales, values }: Decoding): DecodeRows {
  return async ({ rowStart, rowEnd }, signal) => {
    const first = rowStart * columns
    const last = rowEnd * columns
    const start = Math.floor(first / 2)
    const bytes = await readPart(codes, signal, [start, Math.ceil(last / 2)])
    const result = new Float32Array(last - first)
    for (let at = first; at < last; ) {
      const block = Math.floor(at / settings.blocksize)
      const scale = scales[block] ?? 0
      const end = Math.min(last, (block + 1) * settings.blocksize)
      for (; at < end; at++) {
        const byte = bytes[Math.floor(at / 2) - start] ?? 0
        result[at - first] = (values[at % 2 === 0 ? Math.floor(byte / 16) : byte % 16] ?? 0) * scale
      }
    }
    return roundTo(settings.dtype, result)
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
