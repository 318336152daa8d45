import { bytesPerElement } from '../core/dtype.ts'
import { StudioError } from '../core/errors.ts'
import { widenValues } from '../core/widen.ts'
import type { SafetensorsDType } from '../formats/safetensors/dtype.ts'
import { oneAhead } from '../io/one-ahead.ts'
import { readInto } from '../io/read-into.ts'
import type { Scratch } from '../io/scratch.ts'
import type { RowRange } from './checkpoint.ts'
import type { FindTensor } from './source-format.ts'
import { isFloatTensor, type StoredTensor } from './stored-tensor.ts'

/** Name of the module: `model.layers.0.mlp.up_proj` of its `.weight`. */
export function moduleOf(weight: string): string {
  return weight.replace(/\.weight$/, '')
}

/** What a part must be; `float` is any of F32, F16 and BF16. `null` as an extent is any. */
export interface PartForm {
  readonly dtype: SafetensorsDType | 'float'
  readonly shape: readonly (number | null)[]
}

/** A part of a quantized matrix. Throws `config-contradicts-tensors` when it is missing or something else. */
export function requirePart(find: FindTensor, name: string, { dtype, shape }: PartForm): StoredTensor {
  const found = find(name)
  if (found === undefined) throw contradiction(name, 'is in no file, but belongs to a quantized matrix that is.')
  const isType = dtype === 'float' ? isFloatTensor(found) : found.dtype === dtype
  const isShape = found.shape.length === shape.length && shape.every((extent, i) => extent === null || extent === found.shape[i])
  if (isType && isShape) return found
  const wanted = `${dtype === 'float' ? 'floats' : dtype} of ${shape.map((extent) => extent ?? 'any').join(' x ') || 'one element'}`
  throw contradiction(
    name,
    `is ${found.dtype} of ${found.shape.join(' x ') || 'one element'} where the matrix it belongs to needs ${wanted}.`,
  )
}

function contradiction(name: string, fact: string): StudioError {
  return new StudioError('config-contradicts-tensors', {
    title: 'The quantized weights do not fit together',
    message: `Tensor ${name} ${fact}`,
    remedy: 'Use config.json and weights of one export, or open the model in F32, F16 or BF16.',
    details: { tensor: name },
  })
}

/** The fault of parts whose values contradict each other. */
export function damagedPart({ name, source }: StoredTensor, fact: string): StudioError {
  return new StudioError('file-damaged', {
    title: 'This file is damaged',
    message: `Tensor ${name} in ${source.name} ${fact}.`,
    remedy: 'Choose another file, or fetch this one again.',
    details: { tensor: name, file: source.name },
  })
}

/** The fault of a matrix in a form that the studio does not read. */
export function unsupportedForm(name: string, fact: string): StudioError {
  return new StudioError('unsupported-dtype', {
    title: 'This form of quantized weights is not supported',
    message: `${name} ${fact}.`,
    remedy: 'Open the version of the model in F32, F16 or BF16.',
    details: { tensor: name },
  })
}

/** Bytes [start, end) of a part in memory that is used again. */
export async function readPartInto(
  part: StoredTensor,
  [start, end]: readonly [number, number],
  memory: Scratch,
  signal?: AbortSignal,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = memory.take(end - start)
  await readInto(part.source, bytes, part.start + start, signal)
  return bytes
}

/** Bytes [start, end) of a part, default all; at offset 0 of a buffer of their own, so that words can be seen in them. */
export async function readPart(
  part: StoredTensor,
  signal?: AbortSignal,
  [start, end]: readonly [number, number] = [0, part.end - part.start],
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await part.source.read(part.start + start, part.start + end, signal)
  return bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice()
}

export async function readWords(part: StoredTensor, signal?: AbortSignal): Promise<Uint32Array<ArrayBuffer>> {
  return new Uint32Array((await readPart(part, signal)).buffer)
}

/** Elements [start, end) of a part of floats, default all, widened to f32. */
export async function readFloats(
  part: StoredTensor,
  signal?: AbortSignal,
  range?: readonly [number, number],
): Promise<Float32Array<ArrayBuffer>> {
  if (!isFloatTensor(part)) throw new RangeError(`${part.name} is ${part.dtype}, not floats`)
  const width = bytesPerElement[part.dtype]
  const bytes = range === undefined ? await readPart(part, signal) : await readPart(part, signal, [range[0] * width, range[1] * width])
  return widenValues(part.dtype, bytes)
}

/** Lines that are asked for at once where a strip of each is read. */
const linesAtOnce = 16
/** What is left out of a line costs less to read than another request does, unless it is longer. */
const leastSkip = 256 * 2 ** 10
/** Whole lines that are read at a time, for strips of them; the next ones are read meanwhile. */
const wholeBytes = 4 * 2 ** 20

/** Bytes [start, end) of each of `lines` lines of `lineBytes`, one behind the other. */
export interface LineStrip {
  readonly lines: number
  readonly lineBytes: number
  readonly start: number
  readonly end: number
}

/** Lines that are read whole at a time where strips of them are wanted; 0 where only the strips are read, or nothing else is there. */
function wholeLines({ lines, lineBytes, start, end }: LineStrip): number {
  const left = lineBytes - (end - start)
  return left === 0 || left >= leastSkip ? 0 : Math.min(lines, Math.max(1, Math.floor(wholeBytes / lineBytes)))
}

/** Bytes that `readLines` takes. */
function roomOf(strip: LineStrip): number {
  return strip.lines * (strip.end - strip.start) + 2 * wholeLines(strip) * strip.lineBytes
}

/** Reads a strip of every line into `scratch`; `read` fills memory with the bytes from a place among all lines on. */
export async function readLines(
  strip: LineStrip,
  scratch: Pick<Scratch, 'take'>,
  read: (into: Uint8Array<ArrayBuffer>, at: number) => Promise<void>,
): Promise<Uint8Array<ArrayBuffer>> {
  const { lines, lineBytes, start, end } = strip
  const width = end - start
  const memory = scratch.take(roomOf(strip))
  const bytes = memory.subarray(0, lines * width)
  if (width === lineBytes) {
    await read(bytes, 0)
    return bytes
  }
  const atOnce = wholeLines(strip)
  if (atOnce > 0) {
    const pieces = oneAhead(Math.ceil(lines / atOnce), async (index) => {
      const first = index * atOnce
      const at = bytes.length + (index % 2) * atOnce * lineBytes
      const whole = memory.subarray(at, at + Math.min(atOnce, lines - first) * lineBytes)
      await read(whole, first * lineBytes)
      return { whole, first }
    })
    for await (const { whole, first } of pieces) {
      for (let from = start, to = first * width; from < whole.length; from += lineBytes, to += width) {
        bytes.set(whole.subarray(from, from + width), to)
      }
    }
    return bytes
  }
  for (let first = 0; first < lines; first += linesAtOnce) {
    await Promise.all(
      Array.from({ length: Math.min(linesAtOnce, lines - first) }, (_, index) => {
        const line = first + index
        return read(bytes.subarray(line * width, (line + 1) * width), line * lineBytes + start)
      }),
    )
  }
  return bytes
}

/** A part that is lines across the rows of a matrix: each line has so many bits of a row. */
export interface LinedPart {
  readonly part: StoredTensor
  readonly rows: number
  readonly rowBits: number
}

/**
 * What parts have of some rows, whose bits are whole bytes: a strip of every line of each, all in memory taken once from `scratch`.
 * Each begins at a multiple of 16 bytes.
 */
export async function readStrips<Name extends string>(
  parts: Readonly<Record<Name, LinedPart>>,
  { rowStart, rowEnd }: RowRange,
  scratch: Pick<Scratch, 'take'>,
  signal?: AbortSignal,
): Promise<Readonly<Record<Name, Uint8Array<ArrayBuffer>>>> {
  let [next, room] = [0, 0]
  const strips = Object.entries<LinedPart>(parts).map(([name, { part, rows, rowBits }]) => {
    const lineBytes = (rows * rowBits) / 8
    const lines = (part.end - part.start) / lineBytes
    const strip = { lines, lineBytes, start: (rowStart * rowBits) / 8, end: (rowEnd * rowBits) / 8 }
    const at = next
    next += 16 * Math.ceil((lines * (strip.end - strip.start)) / 16)
    // Where the next one will lie there may be lines that are read whole.
    room = Math.max(room, at + roomOf(strip))
    return { name, part, strip, at }
  })
  const memory = scratch.take(room)
  const found: Record<string, Uint8Array<ArrayBuffer>> = {}
  for (const { name, part, strip, at } of strips) {
    const own = { take: (bytes: number) => memory.subarray(at, at + bytes) }
    found[name] = await readLines(strip, own, (into, from) => readInto(part.source, into, part.start + from, signal))
  }
  return found as Readonly<Record<Name, Uint8Array<ArrayBuffer>>>
}

/** Packed codes that a strip of rows holds at most. */
const largestStrip = 64 * 2 ** 20

/** Rows of a matrix that were read together. */
export interface Strip<Parts> extends RowRange {
  readonly parts: Parts
}

/**
 * Reads a matrix whose rows lie across the lines of its file in strips of rows, each when it is first asked for; the last one is
 * kept. `rowBytes` are the packed bytes of a row; strips begin at multiples of `unit` rows, and none crosses two.
 */
export function inStrips<Parts>(
  {
    rows,
    rowBytes,
    unit,
    stripBytes = largestStrip,
  }: { readonly rows: number; readonly rowBytes: number; readonly unit: number; readonly stripBytes?: number },
  read: (rows: RowRange, signal?: AbortSignal) => Promise<Parts>,
): (range: RowRange, signal?: AbortSignal) => AsyncGenerator<Strip<Parts>> {
  const step = unit * Math.max(1, Math.floor(stripBytes / (rowBytes * unit)))
  let last: { readonly first: number; readonly parts: Promise<Parts> } | null = null
  return async function* stripsOf({ rowStart, rowEnd }, signal) {
    for (let first = Math.floor(rowStart / step) * step; first < rowEnd; first += step) {
      const strip = { rowStart: first, rowEnd: Math.min(rows, first + step) }
      if (last?.first !== first) {
        last = null // before the next is read, so that never two are held
        last = { first, parts: read(strip, signal) }
      }
      const { parts } = last
      try {
        yield { ...strip, parts: await parts }
      } catch (error) {
        last = null // so that who asks again reads again
        throw error
      }
    }
  }
}
