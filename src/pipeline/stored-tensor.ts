import type { ByteSink } from '../io/byte-sink.ts'
import type { ByteSource } from '../io/byte-source.ts'
import type { FileStore } from '../io/file-store.ts'
import type { GridEncoding, QuantizedTensor } from '../quantization/quantized-tensor.ts'
import { encodings } from '../quantization/registry.ts'
import { checksumOf, storageFault } from './run-files.ts'

/** Consecutive rows of a stored tensor, contiguous in its file; the bytes are those of its encoding. */
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
    const member = encodings.get(tile.encoding)
    const bytes = member.toBytes(tile)
    const entry = this.#tensors.get(tile.name) ?? {
      tensor: { name: tile.name, rows, columns: tile.columns, encoding: member.encodingOf(tile), path: this.#path },
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
  return encodings.get(encoding.encoding).join(tiles, { name, rows, columns })
}

/** Bytes a matrix or tile takes in storage. */
export function storedBytes(rows: number, columns: number, encoding: GridEncoding): number {
  return encodings.get(encoding.encoding).storedBytes({ rows, columns }, encoding)
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
  return encodings.get(encoding.encoding).fromBytes(bytes, { name, rows, columns }, encoding)
}
