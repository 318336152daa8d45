import type { LineMemory } from '../kernels/transpose/line-memory.ts'
import { inPieces } from './float-pieces.ts'
import { mostHeldBytes, type StoredTile } from './stored-tiles.ts'

/** Some lines of a part: `bytes` are those of lines [lineStart, lineEnd). */
export interface Band {
  readonly lineStart: number
  readonly lineEnd: number
  readonly bytes: Uint8Array<ArrayBuffer>
}

/** Lines that every row of the matrix has a place in, as where codes are packed along the outputs or turned. */
export interface LinePart {
  readonly kind: 'lines'
  readonly lines: number
  readonly lineBytes: number
  /** Writes all that the rows of a tile have in a band, which lies in `memory`. */
  put(tile: StoredTile, band: Band, memory: LineMemory): void
}

/** How a tensor of a file is made of a stored matrix. Tiles come as `storedTiles` gives them. */
export type MatrixPart =
  /** The same whatever is stored. */
  | { readonly kind: 'fixed'; bytes(): Uint8Array<ArrayBuffer> }
  /** What its tiles become, one behind the other; a piece holds until the next one is asked for. */
  | { readonly kind: 'rows'; bytesOf(tile: StoredTile): Uint8Array<ArrayBuffer> }
  | LinePart

/** Bytes of lines that are put together from all tiles at a time: larger parts take several readings of the matrix. */
const largestBand = 80 * 2 ** 20

/**
 * The bytes of parts that follow each other in a file. No more than a tile, `bandBytes`, which lie in `lineMemory`, and `heldBytes` are
 * in memory, whatever the size of the matrix: what parts of rows have of the tiles waits from the first reading on until their turn,
 * and where it is too much they are read again.
 */
export async function* partPieces(
  parts: readonly MatrixPart[],
  tiles: () => AsyncIterable<StoredTile>,
  {
    lineMemory,
    bandBytes = largestBand,
    heldBytes = mostHeldBytes,
  }: { readonly lineMemory: LineMemory; readonly bandBytes?: number; readonly heldBytes?: number },
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const held = new Held(parts, heldBytes)
  const read = (): AsyncIterable<StoredTile> => held.reading(tiles())
  let lines: LinePart[] = []
  for (const part of parts) {
    if (part.kind === 'lines') {
      lines.push(part)
      continue
    }
    yield* linePieces(lines, read, { lineMemory, bandBytes })
    lines = []
    const waiting = held.take(part)
    if (part.kind === 'fixed') yield part.bytes()
    else if (waiting !== null) yield* waiting
    else for await (const tile of read()) yield* inPieces(part.bytesOf(tile))
  }
  yield* linePieces(lines, read, { lineMemory, bandBytes })
}

/** What the first reading of a matrix gives parts of rows whose turn comes later. */
class Held {
  readonly #pieces = new Map<MatrixPart, Uint8Array<ArrayBuffer>[]>()
  #left: number
  #isRead = false

  constructor(parts: readonly MatrixPart[], bytes: number) {
    for (const part of parts) if (part.kind === 'rows') this.#pieces.set(part, [])
    this.#left = bytes
  }

  /** What waits for a part; `null` where it has to be read. */
  take(part: MatrixPart): readonly Uint8Array<ArrayBuffer>[] | null {
    const pieces = this.#pieces.get(part)
    this.#pieces.delete(part)
    return this.#isRead && pieces !== undefined ? pieces : null
  }

  async *reading(tiles: AsyncIterable<StoredTile>): AsyncGenerator<StoredTile> {
    const isFirst = !this.#isRead
    this.#isRead = true
    for await (const tile of tiles) {
      if (isFirst) this.#add(tile)
      yield tile
    }
  }

  #add(tile: StoredTile): void {
    for (const [part, pieces] of this.#pieces) {
      if (part.kind !== 'rows') continue
      const bytes = part.bytesOf(tile).slice()
      if (bytes.length > 0) pieces.push(bytes)
      this.#left -= bytes.length
      if (this.#left >= 0) continue
      // A part that is too much leaves its room to the others.
      this.#left += pieces.reduce((sum, { length }) => sum + length, 0)
      this.#pieces.delete(part)
    }
  }
}

async function* linePieces(
  parts: readonly LinePart[],
  tiles: () => AsyncIterable<StoredTile>,
  { lineMemory, bandBytes }: { readonly lineMemory: LineMemory; readonly bandBytes: number },
) {
  for (const bands of intoBands(parts, bandBytes)) {
    const sizes = bands.map(({ part, lineStart, lineEnd }) => (lineEnd - lineStart) * part.lineBytes)
    const memory = lineMemory.take(sizes.reduce((sum, size) => sum + size, 0))
    let at = 0
    const filled = bands.map(({ part, lineStart, lineEnd }, index) => {
      const bytes = memory.subarray(at, (at += sizes[index] ?? 0))
      return { part, band: { lineStart, lineEnd, bytes } }
    })
    for await (const tile of tiles()) for (const { part, band } of filled) part.put(tile, band, lineMemory)
    yield* inPieces(memory)
  }
}

interface BandPlace {
  readonly part: LinePart
  readonly lineStart: number
  readonly lineEnd: number
}

/** Lists of bands, each of `bandBytes` at most and at least a line: a list is made of one reading of the matrix. */
function intoBands(parts: readonly LinePart[], bandBytes: number): BandPlace[][] {
  const lists: BandPlace[][] = []
  let left = 0
  for (const part of parts) {
    for (let lineStart = 0; lineStart < part.lines; ) {
      if (left < part.lineBytes) {
        lists.push([])
        left = Math.max(bandBytes, part.lineBytes)
      }
      const lineEnd = Math.min(part.lines, lineStart + Math.floor(left / part.lineBytes))
      lists.at(-1)?.push({ part, lineStart, lineEnd })
      left -= (lineEnd - lineStart) * part.lineBytes
      lineStart = lineEnd
    }
  }
  return lists
}
