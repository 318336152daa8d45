import { StudioError } from '../../core/errors.ts'
import {
  alignUp,
  defaultAlignment,
  type GgufEntry,
  type GgufScalar,
  type GgufScalarType,
  type GgufTensorInfo,
  type GgufTensorSpec,
  type GgufValue,
  ggufMagic,
  ggufVersion,
  maxDimensions,
  maxKeyBytes,
  maxTensorNameBytes,
  tensorBytes,
  tensorTypes,
  valueTypeIds,
} from './types.ts'

/** Metadata in file form. Encoded once, since a vocabulary of 128,000 tokens is megabytes and layouts are asked for often. */
export interface EncodedMetadata {
  readonly keys: readonly string[]
  readonly bytes: Uint8Array<ArrayBuffer>
}

/** Every byte position of a file, known before the first byte of data. */
export interface GgufLayout {
  readonly tensors: readonly GgufTensorInfo[]
  /** Start of the data section, a multiple of the alignment. */
  readonly dataStart: number
  readonly sizeBytes: number
  readonly alignment: number
  /** Bytes [0, dataStart). Built on each call, so that a layout asked for its size alone stays small. */
  header(): Uint8Array<ArrayBuffer>
}

/** Throws `StudioError` `internal` for a key the format cannot hold or a value outside its type. */
export function encodeMetadata(entries: readonly GgufEntry[]): EncodedMetadata {
  const writer = new ByteWriter()
  for (const { key, value } of entries) {
    const length = new TextEncoder().encode(key).length
    if (length === 0 || length > maxKeyBytes) refuse(`The metadata key "${key.slice(0, 64)}" has ${length} bytes.`)
    writer.string(key)
    writeValue(writer, value)
  }
  return { keys: entries.map((entry) => entry.key), bytes: writer.finish() }
}

/**
 * Places tensors in the given order, each padded to the alignment, as ggml's strict reader expects (`gguf.cpp`): every
 * offset is the running sum of the padded sizes before it, and the last tensor is padded too.
 * Throws `StudioError` `internal` for what the format cannot hold.
 */
export function layoutGguf(metadata: readonly EncodedMetadata[], specs: readonly GgufTensorSpec[]): GgufLayout {
  const keys = metadata.flatMap((part) => part.keys)
  const repeatedKey = firstRepeated(keys)
  if (repeatedKey !== null) refuse(`The metadata key "${repeatedKey}" occurs twice.`)
  const repeatedName = firstRepeated(specs.map((spec) => spec.name))
  if (repeatedName !== null) refuse(`The tensor ${repeatedName} occurs twice.`)

  const alignment = defaultAlignment
  const relative: number[] = []
  let dataBytes = 0
  for (const spec of specs) {
    checkSpec(spec)
    relative.push(dataBytes)
    dataBytes += alignUp(tensorBytes(spec), alignment)
  }
  const infos = encodeTensorInfos(specs, relative)
  const metadataBytes = metadata.reduce((sum, part) => sum + part.bytes.length, 0)
  const dataStart = alignUp(24 + metadataBytes + infos.length, alignment)
  return {
    tensors: specs.map((spec, index) => ({ ...spec, offset: dataStart + (relative[index] ?? 0), sizeBytes: tensorBytes(spec) })),
    dataStart,
    sizeBytes: dataStart + dataBytes,
    alignment,
    header() {
      const header = new Uint8Array(dataStart)
      const view = new DataView(header.buffer)
      view.setUint32(0, ggufMagic, true)
      view.setUint32(4, ggufVersion, true)
      view.setBigUint64(8, BigInt(specs.length), true)
      view.setBigUint64(16, BigInt(keys.length), true)
      let at = 24
      for (const part of [...metadata.map((each) => each.bytes), infos]) {
        header.set(part, at)
        at += part.length
      }
      return header
    },
  }
}

function encodeTensorInfos(specs: readonly GgufTensorSpec[], offsets: readonly number[]): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter()
  for (const [index, spec] of specs.entries()) {
    writer.string(spec.name)
    writer.scalar('u32', spec.shape.length)
    for (const extent of spec.shape.toReversed()) writer.scalar('u64', BigInt(extent))
    writer.scalar('u32', tensorTypes[spec.type].id)
    writer.scalar('u64', BigInt(offsets[index] ?? 0))
  }
  return writer.finish()
}

function checkSpec(spec: GgufTensorSpec): void {
  const nameBytes = new TextEncoder().encode(spec.name).length
  if (nameBytes === 0 || nameBytes > maxTensorNameBytes) {
    refuse(`The tensor name ${spec.name} has ${nameBytes} bytes; ggml reads 1 to ${maxTensorNameBytes}.`)
  }
  if (
    spec.shape.length === 0 ||
    spec.shape.length > maxDimensions ||
    spec.shape.some((extent) => !Number.isSafeInteger(extent) || extent < 1)
  ) {
    refuse(`The tensor ${spec.name} has the shape [${spec.shape.join(', ')}].`)
  }
  const { blockSize } = tensorTypes[spec.type]
  if ((spec.shape.at(-1) ?? 0) % blockSize !== 0) {
    refuse(`Rows of ${spec.name} have ${spec.shape.at(-1) ?? 0} elements, which blocks of ${blockSize} (${spec.type}) do not divide.`)
  }
}

function writeValue(writer: ByteWriter, value: GgufValue): void {
  writer.scalar('u32', valueTypeIds[value.type])
  if (value.type !== 'array') {
    writer.scalar(value.type, value.value)
    return
  }
  writer.scalar('u32', valueTypeIds[value.of])
  writer.scalar('u64', BigInt(value.value.length))
  for (const element of value.value) writer.scalar(value.of, element)
}

function firstRepeated(names: readonly string[]): string | null {
  const seen = new Set<string>()
  for (const name of names) {
    if (seen.has(name)) return name
    seen.add(name)
  }
  return null
}

function refuse(message: string): never {
  throw new StudioError('internal', {
    title: 'This file cannot be laid out as GGUF',
    message,
    remedy: 'Nothing was written. Report this with the details, or take another format.',
  })
}

type IntegerType = Exclude<GgufScalarType, 'string' | 'bool' | 'f32' | 'f64'>

const integerWriters: Record<IntegerType, readonly [size: number, write: (view: DataView, at: number, value: bigint) => void]> = {
  u8: [1, (view, at, value) => view.setUint8(at, Number(value))],
  i8: [1, (view, at, value) => view.setInt8(at, Number(value))],
  u16: [2, (view, at, value) => view.setUint16(at, Number(value), true)],
  i16: [2, (view, at, value) => view.setInt16(at, Number(value), true)],
  u32: [4, (view, at, value) => view.setUint32(at, Number(value), true)],
  i32: [4, (view, at, value) => view.setInt32(at, Number(value), true)],
  u64: [8, (view, at, value) => view.setBigUint64(at, value, true)],
  i64: [8, (view, at, value) => view.setBigInt64(at, value, true)],
}

const integerRange: Record<IntegerType, readonly [bigint, bigint]> = {
  u8: [0n, 255n],
  i8: [-128n, 127n],
  u16: [0n, 65_535n],
  i16: [-32_768n, 32_767n],
  u32: [0n, 4_294_967_295n],
  i32: [-2_147_483_648n, 2_147_483_647n],
  u64: [0n, 18_446_744_073_709_551_615n],
  i64: [-9_223_372_036_854_775_808n, 9_223_372_036_854_775_807n],
}

/** Little-endian bytes in a buffer that doubles. */
class ByteWriter {
  #bytes = new Uint8Array(4096)
  #view = new DataView(this.#bytes.buffer)
  #length = 0

  string(text: string): void {
    const bytes = new TextEncoder().encode(text)
    this.scalar('u64', BigInt(bytes.length))
    this.#reserve(bytes.length)
    this.#bytes.set(bytes, this.#length)
    this.#length += bytes.length
  }

  scalar(type: GgufScalarType, value: GgufScalar): void {
    if (type === 'string') {
      if (typeof value !== 'string') refuse(`A string is expected, not ${String(value)}.`)
      this.string(value)
      return
    }
    if (type === 'bool') {
      if (typeof value !== 'boolean') refuse(`A boolean is expected, not ${String(value)}.`)
      this.#put(1, (view, at) => view.setUint8(at, value ? 1 : 0))
      return
    }
    if (type === 'f32' || type === 'f64') {
      if (typeof value !== 'number') refuse(`A number is expected, not ${String(value)}.`)
      if (type === 'f32') this.#put(4, (view, at) => view.setFloat32(at, value, true))
      else this.#put(8, (view, at) => view.setFloat64(at, value, true))
      return
    }
    this.#integer(type, value)
  }

  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length)
  }

  #integer(type: IntegerType, value: GgufScalar): void {
    if (typeof value !== 'bigint' && !(typeof value === 'number' && Number.isSafeInteger(value))) {
      refuse(`An integer (${type}) is expected, not ${String(value)}.`)
    }
    const exact = BigInt(value)
    const [low, high] = integerRange[type]
    if (exact < low || exact > high) refuse(`${exact} does not fit ${type}.`)
    const [size, write] = integerWriters[type]
    this.#put(size, (view, at) => write(view, at, exact))
  }

  #put(size: number, write: (view: DataView, at: number) => void): void {
    this.#reserve(size)
    write(this.#view, this.#length)
    this.#length += size
  }

  #reserve(size: number): void {
    if (this.#length + size <= this.#bytes.length) return
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + size))
    grown.set(this.#bytes)
    this.#bytes = grown
    this.#view = new DataView(grown.buffer)
  }
}
