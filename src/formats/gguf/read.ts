import { StudioError } from '../../core/errors.ts'
import type { ByteSource } from '../../io/byte-source.ts'
import {
  alignUp,
  defaultAlignment,
  type GgufEntry,
  type GgufScalar,
  type GgufScalarType,
  type GgufTensorInfo,
  type GgufTensorTypeName,
  type GgufValue,
  ggufMagic,
  maxDimensions,
  maxKeyBytes,
  maxTensorNameBytes,
  tensorBytes,
  tensorTypes,
  valueTypeIds,
} from './types.ts'

export interface GgufFile {
  readonly version: number
  readonly metadata: readonly GgufEntry[]
  readonly tensors: readonly GgufTensorInfo[]
  readonly dataStart: number
}

/** First read of a header; it doubles while the header goes on. */
const firstReadBytes = 1024 * 1024

/** Fewest bytes a metadata entry takes: length, one character of key, type, one byte of value. */
const smallestEntryBytes = 8 + 1 + 4 + 1
/** Fewest bytes a tensor entry takes: name of one character, dimension count, one extent, type, offset. */
const smallestTensorBytes = 8 + 1 + 4 + 8 + 4 + 8

/**
 * Reads header, metadata and tensor list, as strictly as ggml's own reader (`gguf.cpp`): magic, version 2 or 3, no
 * repeated key or name, known types, whole blocks, offsets equal to the running sum of padded sizes, all data present.
 * Tensor bytes stay unread. Throws `StudioError` `file-damaged` with the offset of the fault.
 */
export async function readGguf(source: ByteSource, signal?: AbortSignal): Promise<GgufFile> {
  for (let size = Math.min(firstReadBytes, source.sizeBytes); ; size = Math.min(size * 2, source.sizeBytes)) {
    const cursor = new Cursor(await source.read(0, size, signal), source)
    try {
      return parse(cursor, source)
    } catch (error) {
      if (!(error instanceof HeaderGoesOn)) throw error
      if (size === source.sizeBytes) damaged(source, `The file ends inside its header, at byte ${size}.`)
    }
  }
}

function parse(cursor: Cursor, source: ByteSource): GgufFile {
  const magic = cursor.number('u32')
  if (magic !== ggufMagic) damaged(source, 'It does not start with the letters GGUF.')
  const version = cursor.number('u32')
  if (version > 0 && version % 65_536 === 0) damaged(source, 'It is a big-endian GGUF file; only little-endian files are read.')
  if (version !== 2 && version !== 3) damaged(source, `GGUF version ${version} is not read; versions 2 and 3 are.`)
  const tensorCount = cursor.count(smallestTensorBytes, 'tensors')
  const entryCount = cursor.count(smallestEntryBytes, 'metadata entries')

  const metadata = readMetadata(cursor, entryCount)
  const alignment = alignmentOf(metadata, source)
  const { specs, relative } = readTensorSpecs(cursor, tensorCount)
  const dataStart = alignUp(cursor.position, alignment)
  let expected = 0
  const tensors = specs.map((spec, index): GgufTensorInfo => {
    const offset = relative[index] ?? 0
    if (offset !== expected) damaged(source, `The tensor ${spec.name} starts at ${offset} of the data; it should start at ${expected}.`)
    const sizeBytes = tensorBytes(spec)
    expected = alignUp(expected + sizeBytes, alignment)
    return { ...spec, offset: dataStart + offset, sizeBytes }
  })
  const last = tensors.at(-1)
  if (last !== undefined && last.offset + last.sizeBytes > source.sizeBytes) {
    damaged(source, `The tensors need ${last.offset + last.sizeBytes} bytes, the file has ${source.sizeBytes}.`)
  }
  return { version, metadata, tensors, dataStart }
}

function readMetadata(cursor: Cursor, count: number): GgufEntry[] {
  const entries: GgufEntry[] = []
  const seen = new Set<string>()
  for (let index = 0; index < count; index++) {
    const key = cursor.string()
    if (key === '' || new TextEncoder().encode(key).length > maxKeyBytes) cursor.fault('A metadata key is empty or too long.')
    if (seen.has(key)) cursor.fault(`The metadata key "${key}" occurs twice.`)
    seen.add(key)
    entries.push({ key, value: readValue(cursor) })
  }
  return entries
}

function readValue(cursor: Cursor): GgufValue {
  const type = cursor.valueType()
  if (type !== 'array') return { type, value: cursor.scalar(type) }
  const of = cursor.valueType()
  if (of === 'array') return cursor.fault('An array of arrays is not allowed.')
  const length = cursor.count(scalarBytes(of), 'array elements')
  const value: GgufScalar[] = []
  for (let index = 0; index < length; index++) value.push(cursor.scalar(of))
  return { type: 'array', of, value }
}

function readTensorSpecs(cursor: Cursor, count: number) {
  const specs: { name: string; type: GgufTensorTypeName; shape: number[] }[] = []
  const relative: number[] = []
  const seen = new Set<string>()
  for (let index = 0; index < count; index++) {
    const name = cursor.string()
    const nameBytes = new TextEncoder().encode(name).length
    if (nameBytes === 0 || nameBytes > maxTensorNameBytes) cursor.fault(`The tensor name "${name.slice(0, 80)}" has ${nameBytes} bytes.`)
    if (seen.has(name)) cursor.fault(`The tensor ${name} occurs twice.`)
    seen.add(name)
    const dimensions = cursor.number('u32')
    if (dimensions < 1 || dimensions > maxDimensions) cursor.fault(`The tensor ${name} has ${dimensions} dimensions.`)
    const shape: number[] = []
    for (let dimension = 0; dimension < dimensions; dimension++) shape.unshift(cursor.offset())
    if (shape.some((extent) => extent < 1)) cursor.fault(`The tensor ${name} has the shape [${shape.join(', ')}].`)
    const id = cursor.number('u32')
    const type = typeNames.get(id)
    if (type === undefined) return cursor.fault(`The tensor ${name} has the unknown type ${id}.`)
    if ((shape.at(-1) ?? 0) % tensorTypes[type].blockSize !== 0) {
      cursor.fault(`Rows of ${name} are not a whole number of ${type} blocks.`)
    }
    if (!Number.isSafeInteger(shape.reduce((product, extent) => product * extent, 1))) {
      cursor.fault(`The tensor ${name} has more elements than can be counted.`)
    }
    specs.push({ name, type, shape })
    relative.push(cursor.offset())
  }
  return { specs, relative }
}

function alignmentOf(metadata: readonly GgufEntry[], source: ByteSource): number {
  const value = metadata.find((entry) => entry.key === 'general.alignment')?.value
  if (value === undefined) return defaultAlignment
  const alignment = value.value
  if (value.type !== 'u32' || typeof alignment !== 'number' || alignment < 1 || !Number.isInteger(Math.log2(alignment))) {
    return damaged(source, 'general.alignment is not a power of two in 32 bits.')
  }
  return alignment
}

const typeNames = new Map<number, GgufTensorTypeName>(
  (Object.keys(tensorTypes) as GgufTensorTypeName[]).map((name) => [tensorTypes[name].id, name]),
)
const valueTypeNames = new Map<number, keyof typeof valueTypeIds>(
  (Object.keys(valueTypeIds) as (keyof typeof valueTypeIds)[]).map((name) => [valueTypeIds[name], name]),
)

function scalarBytes(type: GgufScalarType): number {
  switch (type) {
    case 'u8':
    case 'i8':
    case 'bool':
      return 1
    case 'u16':
    case 'i16':
      return 2
    case 'u32':
    case 'i32':
    case 'f32':
      return 4
    case 'u64':
    case 'i64':
    case 'f64':
    case 'string': // its length
      return 8
  }
}

/** The buffer ended before the header did: read more and start again. */
class HeaderGoesOn extends Error {}

class Cursor {
  readonly #view: DataView
  readonly #bytes: Uint8Array<ArrayBuffer>
  readonly #source: ByteSource
  position = 0

  constructor(bytes: Uint8Array<ArrayBuffer>, source: ByteSource) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#source = source
  }

  fault(message: string): never {
    return damaged(this.#source, `${message} (byte ${this.position})`)
  }

  number(type: 'u8' | 'i8' | 'u16' | 'i16' | 'u32' | 'i32' | 'f32' | 'f64'): number {
    const at = this.#advance(scalarBytes(type))
    switch (type) {
      case 'u8':
        return this.#view.getUint8(at)
      case 'i8':
        return this.#view.getInt8(at)
      case 'u16':
        return this.#view.getUint16(at, true)
      case 'i16':
        return this.#view.getInt16(at, true)
      case 'u32':
        return this.#view.getUint32(at, true)
      case 'i32':
        return this.#view.getInt32(at, true)
      case 'f32':
        return this.#view.getFloat32(at, true)
      case 'f64':
        return this.#view.getFloat64(at, true)
    }
  }

  /** A u64 that must be a safe integer: extents and offsets. */
  offset(): number {
    const value = this.#view.getBigUint64(this.#advance(8), true)
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) this.fault(`The number ${value} is too large for a size or an offset.`)
    return Number(value)
  }

  /** A u64 count of things of at least `smallest` bytes: more than the file can hold is a fault, not an allocation. */
  count(smallest: number, what: string): number {
    const value = this.offset()
    if (value * smallest > this.#source.sizeBytes) this.fault(`It claims ${value} ${what}, more than the file can hold.`)
    return value
  }

  string(): string {
    const length = this.count(1, 'bytes of text')
    const start = this.#advance(length)
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(this.#bytes.subarray(start, start + length))
    } catch {
      return this.fault('A text is not valid UTF-8.')
    }
  }

  valueType(): keyof typeof valueTypeIds {
    const id = this.number('u32')
    return valueTypeNames.get(id) ?? this.fault(`The metadata type ${id} is unknown.`)
  }

  scalar(type: GgufScalarType): GgufScalar {
    if (type === 'string') return this.string()
    if (type === 'bool') {
      const value = this.number('u8')
      if (value > 1) this.fault(`A boolean has the value ${value}.`)
      return value === 1
    }
    if (type === 'u64') return this.#view.getBigUint64(this.#advance(8), true)
    if (type === 'i64') return this.#view.getBigInt64(this.#advance(8), true)
    return this.number(type)
  }

  #advance(size: number): number {
    const start = this.position
    if (start + size > this.#bytes.length) throw new HeaderGoesOn()
    this.position = start + size
    return start
  }
}

function damaged(source: ByteSource, fact: string): never {
  throw new StudioError('file-damaged', {
    title: 'This GGUF file is damaged',
    message: `${source.name}: ${fact}`,
    remedy: 'Export or download the file again.',
    details: { file: source.name, sizeBytes: source.sizeBytes },
  })
}
