import type { Checkpoint } from '../checkpoint/checkpoint.ts'
import type { FileStore } from '../io/file-store.ts'
import type { Kernels } from '../kernels/contract/kernels.ts'
import { readTiles, type StoredTensor } from './stored-tensor.ts'
import { dequantize, readRows } from './weights.ts'

/** Rows of the embedding that are kept at once while tokens are looked up. */
export const tableBytes = 64 * 2 ** 20
/** Rows nearer than this are read in one go: a range costs more than the bytes between. */
const gapBytes = 64 * 2 ** 10

/** Fills `into` with the rows of ascending `ids`, one after the other. */
export type RowReader = (ids: readonly number[], into: Float32Array, signal: AbortSignal) => Promise<void>

/** Rows of the checkpoint's embedding, only those asked for. */
export function checkpointRows(checkpoint: Checkpoint): RowReader {
  const { embedding, config } = checkpoint.graph
  const { hidden } = config
  const gapRows = Math.floor(gapBytes / (4 * hidden))
  const mostRows = Math.max(1, Math.floor((8 * 2 ** 20) / (4 * hidden)))
  return async (ids, into, signal) => {
    for (let start = 0; start < ids.length; ) {
      const first = ids[start] ?? 0
      let end = start + 1
      while (end < ids.length && (ids[end] ?? 0) - (ids[end - 1] ?? 0) <= gapRows && (ids[end] ?? 0) - first < mostRows) end++
      const range = { rowStart: first, rowEnd: (ids[end - 1] ?? 0) + 1, columns: hidden }
      const rows = await readRows(checkpoint, embedding.name, range, signal)
      for (let i = start; i < end; i++) {
        const row = (ids[i] ?? 0) - first
        into.set(rows.subarray(row * hidden, (row + 1) * hidden), i * hidden)
      }
      start = end
    }
  }
}

/** Rows of a quantized embedding, dequantized tile by tile. */
export function storedRows(store: FileStore, stored: StoredTensor, kernels: Kernels): RowReader {
  return async (ids, into, signal) => {
    let at = 0
    for await (const { rowStart, tile } of readTiles(store, stored, { signal })) {
      if ((ids[at] ?? Number.POSITIVE_INFINITY) >= rowStart + tile.rows) continue
      const values = await dequantize(kernels, tile, signal)
      for (; at < ids.length && (ids[at] ?? 0) < rowStart + tile.rows; at++) {
        const row = (ids[at] ?? 0) - rowStart
        into.set(values.subarray(row * tile.columns, (row + 1) * tile.columns), at * tile.columns)
      }
    }
  }
}

/** Looks tokens up, batch by batch in order, holding no more than `tableBytes` of the embedding. */
export class EmbeddingLookup {
  readonly #batches: readonly Int32Array[]
  readonly #hidden: number
  readonly #read: RowReader
  #table: { readonly rowOf: ReadonlyMap<number, number>; readonly data: Float32Array } | null = null

  constructor(batches: readonly Int32Array[], hidden: number, read: RowReader) {
    this.#batches = batches
    this.#hidden = hidden
    this.#read = read
  }

  /** Hidden states of a batch before the first block. */
  async embed(index: number, signal: AbortSignal): Promise<Float32Array<ArrayBuffer>> {
    const ids = this.#batches[index] ?? new Int32Array(0)
    let table = this.#table
    if (table === null || ids.some((id) => table?.rowOf.has(id) !== true)) {
      table = await this.#load(index, signal)
      this.#table = table
    }
    const width = this.#hidden
    const output = new Float32Array(ids.length * width)
    for (const [i, id] of ids.entries()) {
      const row = table.rowOf.get(id) ?? 0
      output.set(table.data.subarray(row * width, (row + 1) * width), i * width)
    }
    return output
  }

  /** The rows of this batch, and of as many after it as fit. */
  async #load(index: number, signal: AbortSignal): Promise<{ rowOf: ReadonlyMap<number, number>; data: Float32Array }> {
    const mostRows = Math.floor(tableBytes / (4 * this.#hidden))
    const wanted = new Set(this.#batches[index])
    for (const batch of this.#batches.slice(index + 1)) {
      const more = new Set(batch)
      for (const id of wanted) more.add(id)
      if (more.size > mostRows) break
      for (const id of more) wanted.add(id)
    }
    const ids = [...wanted].sort((a, b) => a - b)
    const data = new Float32Array(ids.length * this.#hidden)
    await this.#read(ids, data, signal)
    return { rowOf: new Map(ids.map((id, row) => [id, row])), data }
  }
}
