import type { ByteSink } from '../io/byte-sink.ts'
import type { ByteSource } from '../io/byte-source.ts'
import type { FileStore } from '../io/file-store.ts'
import { groupsPerRow, packedRowBytes } from '../kernels/contract/affine.ts'
import { ggmlBytes } from '../kernels/contract/ggml.ts'
import type { QuantizedTensor, TensorEncoding } from '../quantization/quantized-tensor.ts'
import { checksumOf, storageFault } from './run-files.ts'

type GridEncoding = Exclude<TensorEncoding, { encoding: 'source' }>

/** Consecutive rows of a stored tensor, contiguous in its file. Affine: codes, f32 scales, zero points; ggml: blocks. */
interface StoredTile {
  readonly rowStart: number
  /** Exclusive. */
  readonly rowEnd: number
  readonly offset: number
  readonly sizeBytes: number
  readonly checksum: string
}

/** Where a quantized tensor lies in the storage of a run. */
export interface StoredTensor {
  readonly name: string
  readonly rows: number
  readonly columns: number
  readonly encoding: GridEncoding
  readonly path: string
  readonly tiles: readonly StoredTile[]
}

/** Appends tensors to one file; a tall tensor may come in tiles of rows, in order. */
export class StoredTensorWriter {
  readonly #sink: ByteSink
  readonly #path: string
  readonly #tensors = new Map<string, { readonly tensor: Omit<StoredTensor, 'tiles'>; readonly tiles: StoredTile[] }>()
  #offset = 0

  constructor(sink: ByteSink, path: string) {
    this.#sink = sink
    this.#path = path
  }

  /** `tile` holds rows [rowStart, rowStart + tile.rows) of a tensor of `rows` rows. */
  async append(tile: QuantizedTensor, rows = tile.rows, rowStart = 0): Promise<void> {
    const bytes = tileBytes(tile)
    const entry = this.#tensors.get(tile.name) ?? {
      tensor: { name: tile.name, rows, columns: tile.columns, encoding: encodingOf(tile), path: this.#path },
      tiles: [],
    }
    entry.tiles.push({
      rowStart,
      rowEnd: rowStart + tile.rows,
      offset: this.#offset,
      sizeBytes: bytes.byteLength,
      checksum: await checksumOf(bytes),
    })
    this.#tensors.set(tile.name, entry)
    await this.#sink.write(bytes)
    this.#offset += bytes.byteLength
  }

  tensors(): StoredTensor[] {
    return [...this.#tensors.values()].map(({ tensor, tiles }) => ({ ...tensor, tiles }))
  }
}

/** Reads tile by tile. Throws `storage-fault` when the bytes are not those that were written. */
export async function* readTiles(
  store: FileStore,
  stored: StoredTensor,
  signal?: AbortSignal,
): AsyncGenerator<{ readonly rowStart: number; readonly tile: QuantizedTensor }> {
  const source = await openStored(store, stored)
  for (const tile of stored.tiles) yield { rowStart: tile.rowStart, tile: await readTile(source, stored, tile, signal) }
}

/** The tile that holds a row, and its first row. */
export async function readTileAt(
  store: FileStore,
  stored: StoredTensor,
  row: number,
  signal?: AbortSignal,
): Promise<{ readonly first: number; readonly tile: QuantizedTensor }> {
  const tile = stored.tiles.find(({ rowStart, rowEnd }) => row >= rowStart && row < rowEnd)
  if (tile === undefined) throw storageFault(stored.path, `Row ${row} of ${stored.name} was not stored`)
  return { first: tile.rowStart, tile: await readTile(await openStored(store, stored), stored, tile, signal) }
}

/** The whole tensor in memory, packed. Throws `storage-fault`. */
export async function readStored(store: FileStore, stored: StoredTensor, signal?: AbortSignal): Promise<QuantizedTensor> {
  const tiles: QuantizedTensor[] = []
  for await (const { tile } of readTiles(store, stored, signal)) tiles.push(tile)
  const [only] = tiles
  if (tiles.length === 1 && only !== undefined) return only
  const { name, rows, columns, encoding } = stored
  if (encoding.encoding === 'ggml') {
    const blocks = concatenate(tiles.map((tile) => (tile.encoding === 'ggml' ? tile.blocks : new Uint8Array(0))))
    return { name, rows, columns, encoding: 'ggml', type: encoding.type, blocks }
  }
  const parts = tiles.flatMap((tile) => (tile.encoding === 'affine' ? [tile.affine] : []))
  const scales = new Float32Array(parts.reduce((sum, part) => sum + part.scales.length, 0))
  let at = 0
  for (const part of parts) {
    scales.set(part.scales, at)
    at += part.scales.length
  }
  const { bits, isSymmetric, group } = encoding
  const affine = {
    rows,
    columns,
    bits,
    isSymmetric,
    group,
    codes: concatenate(parts.map((part) => part.codes)),
    scales,
    zeroPoints: concatenate(parts.map((part) => part.zeroPoints)),
  }
  return { name, rows, columns, encoding: 'affine', affine }
}

/** Bytes `rows` rows take in storage. */
export function storedBytes(rows: number, columns: number, encoding: GridEncoding): number {
  if (encoding.encoding === 'ggml') return ggmlBytes(encoding.type, rows, columns)
  return rows * packedRowBytes(columns, encoding.bits) + 5 * groupCount(rows, columns, encoding.group)
}

export function encodingOf(tensor: QuantizedTensor): GridEncoding {
  if (tensor.encoding === 'ggml') return { encoding: 'ggml', type: tensor.type }
  const { bits, isSymmetric, group } = tensor.affine
  return { encoding: 'affine', bits, isSymmetric, group }
}

function groupCount(rows: number, columns: number, group: number | 'row' | 'tensor'): number {
  return group === 'tensor' ? 1 : rows * groupsPerRow(columns, group)
}

function tileBytes(tile: QuantizedTensor): Uint8Array<ArrayBuffer> {
  if (tile.encoding === 'ggml') return tile.blocks
  const { codes, scales, zeroPoints } = tile.affine
  return concatenate([codes, new Uint8Array(scales.buffer, scales.byteOffset, scales.byteLength), zeroPoints])
}

async function openStored(store: FileStore, stored: StoredTensor): Promise<ByteSource> {
  const source = await store.open(stored.path)
  if (source === null) throw storageFault(stored.path, `The file with ${stored.name} is gone`)
  return source
}

async function readTile(source: ByteSource, stored: StoredTensor, tile: StoredTile, signal?: AbortSignal): Promise<QuantizedTensor> {
  const { name, columns, encoding } = stored
  const rows = tile.rowEnd - tile.rowStart
  const isPresent = tile.offset + tile.sizeBytes <= source.sizeBytes && tile.sizeBytes === storedBytes(rows, columns, encoding)
  const bytes = isPresent ? await source.read(tile.offset, tile.offset + tile.sizeBytes, signal) : null
  if (bytes === null || (await checksumOf(bytes)) !== tile.checksum) {
    throw storageFault(stored.path, `${name} reads back differently from how it was stored`)
  }
  if (encoding.encoding === 'ggml') return { name, rows, columns, encoding: 'ggml', type: encoding.type, blocks: bytes }
  const { bits, isSymmetric, group } = encoding
  const codeBytes = rows * packedRowBytes(columns, bits)
  const groups = groupCount(rows, columns, group)
  const affine = {
    rows,
    columns,
    bits,
    isSymmetric,
    group,
    codes: bytes.slice(0, codeBytes),
    // slice copies, so that f32 starts on a boundary of four whatever the codes before it.
    scales: new Float32Array(bytes.slice(codeBytes, codeBytes + 4 * groups).buffer),
    zeroPoints: bytes.slice(codeBytes + 4 * groups),
  }
  return { name, rows, columns, encoding: 'affine', affine }
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0))
  let offset = 0
  for (const part of parts) {
    whole.set(part, offset)
    offset += part.byteLength
  }
  return whole
}
