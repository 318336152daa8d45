import { isShared, ownBytes } from '../core/shared-memory.ts'
import type { ByteSink } from '../io/byte-sink.ts'
import type { ByteSource } from '../io/byte-source.ts'
import { checksumOf } from '../io/checksum.ts'
import type { FileEditor, FileStore } from '../io/file-store.ts'
import { oneAhead } from '../io/one-ahead.ts'
import { readInto } from '../io/read-into.ts'
import { Scratch } from '../io/scratch.ts'
import type { GridEncoding, QuantizedTensor } from '../quantization/quantized-tensor.ts'
import { encodings } from '../quantization/registry.ts'
import { storageFault } from './run-files.ts'

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

/** Takes the bytes of the next tile of a tensor; resolves with where in the file they begin. */
export type PutTile = (name: string, bytes: Uint8Array<ArrayBuffer>) => Promise<number>

/** One tile behind the other. */
export function appending(sink: Pick<ByteSink, 'write'>): PutTile {
  let end = 0
  return async (_name, bytes) => {
    const at = end
    await sink.write(bytes)
    end += bytes.byteLength
    return at
  }
}

/** The tiles of each tensor from its own offset on. */
export function placing(editor: Pick<FileEditor, 'write'>, offsets: ReadonlyMap<string, number>): PutTile {
  const ends = new Map(offsets)
  return async (name, bytes) => {
    const at = ends.get(name)
    if (at === undefined) throw new RangeError(`${name} has no place`)
    await editor.write(bytes, at)
    ends.set(name, at + bytes.byteLength)
    return at
  }
}

/** Puts tensors into one file; a tall tensor may come in tiles of rows, in order, and any is stored in tiles of 8 MiB at most. */
export class StoredTensorWriter {
  readonly #put: PutTile
  readonly #path: string
  readonly #tensors = new Map<string, { readonly tensor: Omit<StoredTensor, 'tiles'>; readonly tiles: StoredTile[] }>()
  readonly #scratch = new Scratch()
  readonly #largestTile: number

  constructor(put: PutTile, path: string, largestTile = largestStoredTile) {
    this.#put = put
    this.#largestTile = largestTile
    this.#path = path
  }

  /** `tile` holds rows [rowStart, rowStart + tile.rows) of a tensor of `rows` rows. */
  async append(tile: QuantizedTensor, rows = tile.rows, rowStart = 0): Promise<void> {
    const member = encodings.get(tile.encoding)
    const entry = this.#tensors.get(tile.name) ?? {
      tensor: { name: tile.name, rows, columns: tile.columns, encoding: member.encodingOf(tile), path: this.#path },
      tiles: [],
    }
    this.#tensors.set(tile.name, entry)
    const step = rowsOfStoredTile(tile, entry.tensor.encoding, this.#largestTile)
    for (let start = 0; start < tile.rows; start += step) {
      const end = Math.min(tile.rows, start + step)
      const bytes = this.#gather(member.parts(step < tile.rows ? member.rows(tile, start, end) : tile))
      entry.tiles.push({
        rowStart: rowStart + start,
        rowEnd: rowStart + end,
        sizeBytes: bytes.byteLength,
        checksum: await checksumOf(bytes),
        offset: await this.#put(tile.name, bytes),
      })
    }
  }

  /** In memory of this thread alone, as files want it. */
  #gather(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
    const [first] = parts
    if (parts.length === 1 && first !== undefined && !isShared(first)) return ownBytes(first)
    const whole = this.#scratch.take(parts.reduce((sum, { length }) => sum + length, 0))
    let at = 0
    for (const part of parts) {
      whole.set(part, at)
      at += part.length
    }
    return whole
  }

  tensors(): StoredTensor[] {
    return [...this.#tensors.values()].map(({ tensor, tiles }) => ({ ...tensor, tiles }))
  }
}

/** Memory for a tile in use and for the next one, which is read meanwhile. */
export class TileMemory {
  readonly #scratch = [new Scratch(), new Scratch()] as const

  /** For the tile of an index: that of the one before stays as it is. */
  take(index: number, bytes: number): Uint8Array<ArrayBuffer> {
    return this.#scratch[index % 2 === 0 ? 0 : 1].take(bytes)
  }
}

/**
 * Reads tile by tile, in order; a tile lies in `memory` and holds until the next one is asked for. Throws `storage-fault` when
 * the bytes are not those that were written; with `isChecked` false only where there are too few.
 */
export async function* readTiles(
  store: Pick<FileStore, 'open'>,
  stored: StoredTensor,
  {
    memory = new TileMemory(),
    isChecked = true,
    signal,
  }: { readonly memory?: TileMemory; readonly isChecked?: boolean; readonly signal?: AbortSignal | undefined } = {},
): AsyncGenerator<{ readonly rowStart: number; readonly tile: QuantizedTensor }> {
  const source = await openStored(store, stored)
  const { tiles } = stored
  yield* oneAhead(tiles.length, async (index) => {
    const tile = tiles[index]
    if (tile === undefined) throw new RangeError(`${stored.name} has no tile ${index}`)
    const bytes = await tileBytes({ source, stored, signal, isChecked }, tile, memory.take(index, tile.sizeBytes))
    return { rowStart: tile.rowStart, tile: tensorOf(stored, tile, bytes) }
  })
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
  const source = await openStored(store, stored)
  const bytes = await tileBytes({ source, stored, signal }, tile, new Uint8Array(tile.sizeBytes))
  return { first: tile.rowStart, tile: tensorOf(stored, tile, bytes) }
}

/** The whole tensor in memory, packed. Throws `storage-fault`. */
export async function readStored(store: Pick<FileStore, 'open'>, stored: StoredTensor, signal?: AbortSignal): Promise<QuantizedTensor> {
  const source = await openStored(store, stored)
  const { name, rows, columns, encoding, tiles } = stored
  const member = encodings.get(encoding.encoding)
  const whole = new Uint8Array(tiles.reduce((sum, tile) => sum + tile.sizeBytes, 0))
  const parts: Uint8Array<ArrayBuffer>[] = []
  let at = 0
  for (const tile of tiles) {
    parts.push(await tileBytes({ source, stored, signal }, tile, whole.subarray(at, at + tile.sizeBytes)))
    at += tile.sizeBytes
  }
  if (tiles.length === 1 || member.isConcatenated === true) return member.fromBytes(whole, { name, rows, columns }, encoding)
  const joined = tiles.map((tile, i) => tensorOf(stored, tile, parts[i] ?? new Uint8Array()))
  return member.join(joined, { name, rows, columns })
}

/** What is read at once is at most this, or the fewest rows that can be cut off: a tile that was quantized whole is stored in several. */
const largestStoredTile = 8 * 2 ** 20

function rowsOfStoredTile({ rows, columns }: QuantizedTensor, encoding: GridEncoding, largest: number): number {
  const step = encodings.get(encoding.encoding).cutStep({ rows, columns }, encoding)
  const bytes = storedBytes(step, columns, encoding)
  return Math.min(rows, step * Math.max(1, Math.floor(largest / bytes)))
}

/** Bytes a matrix or tile takes in storage. */
export function storedBytes(rows: number, columns: number, encoding: GridEncoding): number {
  return encodings.get(encoding.encoding).storedBytes({ rows, columns }, encoding)
}

async function openStored(store: Pick<FileStore, 'open'>, stored: StoredTensor): Promise<ByteSource> {
  const source = await store.open(stored.path)
  if (source === null) throw storageFault(stored.path, `The file with ${stored.name} is gone`)
  return source
}

/** Reads a tile into memory of its size, which is returned. */
async function tileBytes(
  from: {
    readonly source: ByteSource
    readonly stored: StoredTensor
    readonly signal: AbortSignal | undefined
    readonly isChecked?: boolean
  },
  tile: StoredTile,
  into: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer>> {
  const { source, stored, signal, isChecked = true } = from
  const { name, columns, encoding, path } = stored
  const expected = storedBytes(tile.rowEnd - tile.rowStart, columns, encoding)
  const isPresent = tile.offset + tile.sizeBytes <= source.sizeBytes && tile.sizeBytes === expected
  if (isPresent) await readInto(source, into, tile.offset, signal)
  if (!isPresent || (isChecked && (await checksumOf(into)) !== tile.checksum)) {
    throw storageFault(path, `${name} reads back differently from how it was stored`)
  }
  return into
}

function tensorOf({ name, columns, encoding }: StoredTensor, tile: StoredTile, bytes: Uint8Array<ArrayBuffer>): QuantizedTensor {
  return encodings.get(encoding.encoding).fromBytes(bytes, { name, rows: tile.rowEnd - tile.rowStart, columns }, encoding)
}
