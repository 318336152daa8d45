import { bitsPerElement, type SafetensorsDType, tensorBytes } from './dtype.ts'
import { maxHeaderBytes } from './header.ts'

export interface SafetensorsTensorSpec {
  readonly name: string
  readonly dtype: SafetensorsDType
  readonly shape: readonly number[]
}

export interface PlacedTensor extends SafetensorsTensorSpec {
  /** Offset in the file and length. */
  readonly start: number
  readonly sizeBytes: number
}

export interface SafetensorsLayout {
  /** Length, JSON and padding: everything before the first tensor byte. */
  readonly headerBytes: Uint8Array<ArrayBuffer>
  readonly totalBytes: number
  /** The tensors in the order their bytes must be written. */
  readonly tensors: readonly PlacedTensor[]
  /** Offset in the file of each tensor's first byte. */
  readonly offsets: ReadonlyMap<string, number>
}

/**
 * A whole file before its first byte is written: write `headerBytes`, then every tensor of `tensors` in order. Tensors are
 * sorted as the original writer does (element width descending, then name; `safetensors/src/tensor.rs`, `prepare`), which
 * keeps each aligned to its element; the header is padded with spaces to a multiple of 8. Throws `RangeError` for names
 * used twice and sizes that cannot be stored: both are faults of the caller.
 */
export function safetensorsLayout(
  tensors: readonly SafetensorsTensorSpec[],
  metadata: Readonly<Record<string, string>> = {},
): SafetensorsLayout {
  const sorted = [...tensors].sort((a, b) => bitsPerElement(b.dtype) - bitsPerElement(a.dtype) || compareText(a.name, b.name))
  let at = 0
  const relative: (SafetensorsTensorSpec & { readonly begin: number; readonly end: number })[] = []
  for (const { name, dtype, shape } of sorted) {
    const size = tensorBytes(dtype, shape)
    if (size === null) throw new RangeError(`tensor ${name} of ${shape.join(' x ')} ${dtype} has no whole number of bytes`)
    relative.push({ name, dtype, shape, begin: at, end: at + size })
    at += size
  }
  const json = headerJson(relative, metadata)
  const headerBytes = packHeader(json)
  const placed = relative.map(({ name, dtype, shape, begin, end }) => ({
    name,
    dtype,
    shape,
    start: headerBytes.length + begin,
    sizeBytes: end - begin,
  }))
  const offsets = new Map(placed.map(({ name, start }) => [name, start]))
  if (offsets.size !== placed.length || offsets.has('__metadata__')) throw new RangeError('tensor names must be unique')
  return { headerBytes, totalBytes: headerBytes.length + at, tensors: placed, offsets }
}

function headerJson(
  tensors: readonly (SafetensorsTensorSpec & { readonly begin: number; readonly end: number })[],
  metadata: Readonly<Record<string, string>>,
): string {
  // Written pair by pair: an object would move names that look like integers to the front, and swallow `__proto__`.
  const pairs = tensors.map(
    ({ name, dtype, shape, begin, end }) => `${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [begin, end] })}`,
  )
  if (Object.keys(metadata).length > 0) pairs.unshift(`"__metadata__":${JSON.stringify(metadata)}`)
  return `{${pairs.join(',')}}`
}

function packHeader(json: string): Uint8Array<ArrayBuffer> {
  const text = new TextEncoder().encode(json)
  const length = Math.ceil(text.length / 8) * 8
  if (length > maxHeaderBytes) throw new RangeError(`a header of ${length} bytes is longer than the format allows`)
  const bytes = new Uint8Array(8 + length).fill(0x20)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true)
  bytes.set(text, 8)
  return bytes
}

/** By code unit: the same order on every machine, unlike `localeCompare`. */
function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
