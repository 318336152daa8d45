import { StudioError } from '../../core/errors.ts'
import type { ByteSource } from '../../io/byte-source.ts'
import { isSafetensorsDType, type SafetensorsDType, tensorBytes } from './dtype.ts'
import { duplicateKey } from './duplicate-keys.ts'

/** Longest header the format allows (`MAX_HEADER_SIZE`); protects memory from a file that is something else. */
export const maxHeaderBytes = 100_000_000

/** Tensors have at most this many dimensions here; the largest seen in the wild is 5. */
const maxDimensions = 8

export interface SafetensorsEntry {
  readonly name: string
  readonly dtype: SafetensorsDType
  /** Row-major. Empty for a scalar. */
  readonly shape: readonly number[]
  /** Offsets in the file, end exclusive. */
  readonly start: number
  readonly end: number
}

export interface SafetensorsHeader {
  /** In the order of their bytes. */
  readonly tensors: ReadonlyMap<string, SafetensorsEntry>
  readonly metadata: Readonly<Record<string, string>>
  /** The header as it is in the file, without its length: for fingerprints. */
  readonly bytes: Uint8Array<ArrayBuffer>
  /** Where the tensor bytes begin. */
  readonly dataStart: number
}

/**
 * Reads and checks the header of a safetensors file; two reads, no tensor bytes. Checks what the format promises
 * (github.com/huggingface/safetensors, README "Format"): names are unique, ranges agree with dtype and shape and cover
 * the data without holes or overlap, and the file is exactly as long as it says. Throws `file-damaged`.
 */
export async function readSafetensorsHeader(source: ByteSource, signal?: AbortSignal): Promise<SafetensorsHeader> {
  const fail = damaged(source)
  if (source.sizeBytes < 8) throw fail(`${source.name} holds ${source.sizeBytes} bytes; a safetensors file begins with 8 bytes of length.`)
  const length = await source.read(0, 8, signal)
  const headerBytes = new DataView(length.buffer, length.byteOffset, 8).getBigUint64(0, true)
  if (headerBytes > BigInt(maxHeaderBytes)) {
    throw fail(
      `${source.name} claims a header of ${headerBytes.toLocaleString('en-US')} bytes; at most ${grouped(maxHeaderBytes)} are allowed. It is probably not a safetensors file.`,
    )
  }
  const dataStart = 8 + Number(headerBytes)
  if (dataStart > source.sizeBytes) {
    throw fail(
      `The header of ${source.name} is ${grouped(dataStart - 8)} bytes long, the file holds ${grouped(source.sizeBytes)}. It was probably cut off while downloading.`,
    )
  }
  const bytes = await source.read(8, dataStart, signal)
  const { __metadata__: rawMetadata, ...rawTensors } = parseObject(bytes, fail, source.name)
  const metadata = checkMetadata(rawMetadata, fail, source.name)
  const entries = Object.entries(rawTensors)
    .map(([name, raw]) => checkEntry({ name, raw, dataStart, file: source.name, fail }))
    .sort((a, b) => a.start - b.start || a.end - b.end)
  checkCoverage(entries, { dataStart, source, fail })
  return { tensors: new Map(entries.map((entry) => [entry.name, entry])), metadata, bytes, dataStart }
}

type Fail = (message: string, details?: Readonly<Record<string, string | number>>) => StudioError

function damaged(source: ByteSource): Fail {
  return (message, details = {}) =>
    new StudioError('file-damaged', {
      title: 'This file is damaged',
      message,
      remedy: 'Choose another file, or fetch this one again.',
      details: { file: source.name, sizeBytes: source.sizeBytes, ...details },
    })
}

function grouped(value: number): string {
  return value.toLocaleString('en-US')
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function parseObject(bytes: Uint8Array, fail: Fail, file: string): Readonly<Record<string, unknown>> {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw fail(`The header of ${file} is not UTF-8 text.`)
  }
  if (!text.startsWith('{')) throw fail(`The header of ${file} does not begin with "{". It is probably not a safetensors file.`)
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    throw fail(`The header of ${file} is not valid JSON.`)
  }
  const twice = duplicateKey(text)
  if (twice !== null) throw fail(`The header of ${file} names ${twice} twice.`, { tensor: twice })
  return isRecord(parsed) ? parsed : {}
}

function checkMetadata(raw: unknown, fail: Fail, file: string): Readonly<Record<string, string>> {
  if (raw === undefined) return {}
  const pairs = isRecord(raw) ? Object.entries(raw) : null
  const strings = pairs?.filter((pair): pair is [string, string] => typeof pair[1] === 'string')
  if (pairs === null || strings?.length !== pairs.length) throw fail(`The metadata of ${file} is not a table of strings.`)
  return Object.fromEntries(strings)
}

/** A value of the header for a message; absent ones are `none`. */
function shown(value: unknown): string {
  return value === undefined ? 'none' : JSON.stringify(value)
}

interface RawEntry {
  readonly name: string
  readonly raw: unknown
  readonly dataStart: number
  readonly file: string
  readonly fail: Fail
}

function isCountList(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && (item as number) >= 0)
}

function checkEntry({ name, raw, dataStart, file, fail }: RawEntry): SafetensorsEntry {
  const where = `Tensor ${name} in ${file}`
  if (!isRecord(raw)) throw fail(`${where} is not described by an object.`, { tensor: name })
  const { dtype, shape, data_offsets: offsets } = raw
  if (!isSafetensorsDType(dtype)) throw fail(`${where} has an unknown dtype, ${shown(dtype)}.`, { tensor: name })
  if (!isCountList(shape) || shape.length > maxDimensions) {
    throw fail(`${where} has no valid shape: ${shown(shape)}.`, { tensor: name })
  }
  const [begin, end] = isCountList(offsets) ? offsets : []
  if (begin === undefined || end === undefined || !isCountList(offsets) || offsets.length !== 2 || begin > end) {
    throw fail(`${where} has no valid data_offsets: ${shown(offsets)}.`, { tensor: name })
  }
  const size = tensorBytes(dtype, shape)
  if (size === null) throw fail(`${where} has a shape of ${shape.join(' x ')} that no file can hold as ${dtype}.`, { tensor: name })
  if (size !== end - begin) {
    throw fail(
      `${where} is ${dtype} of ${shape.join(' x ') || 'one element'}, so ${grouped(size)} bytes, but its offsets span ${grouped(end - begin)}.`,
      { tensor: name },
    )
  }
  return { name, dtype, shape, start: dataStart + begin, end: dataStart + end }
}

function checkCoverage(
  entries: readonly SafetensorsEntry[],
  { dataStart, source, fail }: { readonly dataStart: number; readonly source: ByteSource; readonly fail: Fail },
): void {
  let at = dataStart
  let last = ''
  for (const { name, start, end } of entries) {
    if (start < at) throw fail(`Tensors ${last} and ${name} in ${source.name} overlap.`, { tensor: name })
    if (start > at)
      throw fail(`${grouped(start - at)} bytes before tensor ${name} in ${source.name} belong to no tensor.`, { tensor: name })
    at = end
    last = name
  }
  const said = at - dataStart
  const held = source.sizeBytes - dataStart
  if (said > held) {
    throw fail(
      `The header of ${source.name} says ${grouped(said)} bytes of weights, the file holds ${grouped(held)}. It was probably cut off while downloading.`,
    )
  }
  if (said < held)
    throw fail(
      `The header of ${source.name} says ${grouped(said)} bytes of weights, the file holds ${grouped(held)}: the rest belongs to no tensor.`,
    )
}
