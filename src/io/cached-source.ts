import { isAbort, throwIfAborted } from '../core/errors.ts'
import type { ByteSource } from './byte-source.ts'
import type { FileStore } from './file-store.ts'
import { assertRange } from './range.ts'

/** Piece of a cached file: one hub request's worth. Headers of most files fit into one. */
const defaultPieceBytes = 1_048_576

/** Longest run of missing pieces asked for at once: no buffer above 64 MiB. */
const maxRunBytes = 67_108_864

/** A bound shared by the files of a cache. */
export interface CacheBudget {
  /** Whether so many bytes may be stored; counts them when so. */
  take(bytes: number): boolean
  /** Storing failed; nothing more is stored in this session. */
  close(): void
}

/**
 * A budget that starts from what the store already holds. When it is used up nothing more is stored and nothing is thrown
 * out: a model is read from front to back again and again, where evicting the oldest piece would always evict the next
 * one needed.
 */
export async function createCacheBudget(store: FileStore, limitBytes: number): Promise<CacheBudget> {
  let left = limitBytes - (await store.list('')).reduce((sum, file) => sum + file.sizeBytes, 0)
  return {
    take(bytes) {
      if (bytes > left) return false
      left -= bytes
      return true
    },
    close() {
      left = 0
    },
  }
}

export interface CachedSourceOptions {
  readonly store: FileStore
  /** Folder of the pieces; must name the content, for example by its hash. */
  readonly folder: string
  readonly budget: CacheBudget
  /** Asked before each piece is stored: no, when the source has become local. Default always. */
  readonly keeps?: () => boolean
  /** Default 1 MiB. */
  readonly pieceBytes?: number
}

/**
 * Keeps what was read in a store, in aligned pieces `FOLDER/000017`. A piece is fetched once although several readers ask
 * for it at the same time; a failed fetch is never kept. A store that is full or fails ends the caching, not the reading.
 */
export function cachedSource(source: ByteSource, options: CachedSourceOptions): ByteSource {
  const cache = new PieceCache(source, options)
  return {
    name: source.name,
    sizeBytes: source.sizeBytes,
    ...(source.contentId === undefined ? {} : { contentId: source.contentId }),
    async read(start, end, signal) {
      throwIfAborted(signal)
      assertRange(source.name, source.sizeBytes, start, end)
      const out = new Uint8Array(end - start)
      await cache.readInto(out, start, signal)
      return out
    },
  }
}

class PieceCache {
  readonly #source: ByteSource
  readonly #options: CachedSourceOptions
  readonly #pieceBytes: number
  /** Pieces whole in the store; listed at the first read. */
  #stored: Promise<Set<number>> | null = null
  /** Pieces on their way, so that nobody fetches one twice. */
  readonly #fetching = new Map<number, Promise<Uint8Array>>()

  constructor(source: ByteSource, options: CachedSourceOptions) {
    this.#source = source
    this.#options = options
    this.#pieceBytes = options.pieceBytes ?? defaultPieceBytes
  }

  async readInto(out: Uint8Array<ArrayBuffer>, start: number, signal: AbortSignal | undefined): Promise<void> {
    const end = start + out.length
    const stored = await this.#storedPieces()
    let piece = Math.floor(start / this.#pieceBytes)
    while (piece * this.#pieceBytes < end) {
      throwIfAborted(signal)
      const arriving = this.#fetching.get(piece)
      if (stored.has(piece) && (await this.#copyStored(piece, out, start))) piece += 1
      else if (arriving !== undefined) {
        if (await this.#copyArriving(arriving, piece, out, start)) piece += 1
      } else {
        const runEnd = this.#runEnd(piece, end, stored)
        const run = this.#fetch(piece, runEnd, signal)
        copyOverlap(out, start, await run, piece * this.#pieceBytes)
        piece = runEnd
      }
    }
  }

  async #storedPieces(): Promise<Set<number>> {
    this.#stored ??= this.#listPieces()
    return this.#stored
  }

  async #listPieces(): Promise<Set<number>> {
    const files = await this.#options.store.list(this.#options.folder).catch(() => [])
    const whole = files.map(({ path, sizeBytes }) => ({ piece: Number(path.slice(path.lastIndexOf('/') + 1)), sizeBytes }))
    return new Set(whole.filter(({ piece, sizeBytes }) => sizeBytes === this.#sizeOf(piece)).map(({ piece }) => piece))
  }

  #sizeOf(piece: number): number {
    return Math.min(this.#source.sizeBytes, (piece + 1) * this.#pieceBytes) - piece * this.#pieceBytes
  }

  #path(piece: number): string {
    return `${this.#options.folder}/${String(piece).padStart(6, '0')}`
  }

  /** Reads only the part that is wanted. False when the store lost the piece. */
  async #copyStored(piece: number, out: Uint8Array<ArrayBuffer>, start: number): Promise<boolean> {
    const pieceStart = piece * this.#pieceBytes
    const from = Math.max(start, pieceStart)
    const to = Math.min(start + out.length, pieceStart + this.#sizeOf(piece))
    try {
      const file = await this.#options.store.open(this.#path(piece))
      if (file !== null && file.sizeBytes === this.#sizeOf(piece)) {
        out.set(await file.read(from - pieceStart, to - pieceStart), from - start)
        return true
      }
    } catch {
      // A cache that cannot be read is no cache; fetch instead.
    }
    ;(await this.#storedPieces()).delete(piece)
    return false
  }

  /** False when whoever fetched it was stopped; then it is this reader's turn. */
  async #copyArriving(arriving: Promise<Uint8Array>, piece: number, out: Uint8Array<ArrayBuffer>, start: number): Promise<boolean> {
    try {
      copyOverlap(out, start, await arriving, piece * this.#pieceBytes)
      return true
    } catch (error) {
      if (!isAbort(error)) throw error
      return false
    }
  }

  #runEnd(first: number, end: number, stored: ReadonlySet<number>): number {
    const limit = first + Math.max(1, Math.floor(maxRunBytes / this.#pieceBytes))
    let piece = first + 1
    while (piece * this.#pieceBytes < end && piece < limit && !stored.has(piece) && !this.#fetching.has(piece)) piece += 1
    return piece
  }

  /** Pieces [first, last) in one request, then into the store. */
  async #fetch(first: number, last: number, signal: AbortSignal | undefined): Promise<Uint8Array> {
    const start = first * this.#pieceBytes
    const run = this.#source.read(start, Math.min(this.#source.sizeBytes, last * this.#pieceBytes), signal)
    for (let piece = first; piece < last; piece++) {
      const from = (piece - first) * this.#pieceBytes
      const part = run.then((bytes) => bytes.subarray(from, from + this.#pieceBytes))
      part.catch(() => undefined) // told to whoever waits for it, if anyone does
      this.#fetching.set(piece, part)
    }
    try {
      const bytes = await run
      for (let piece = first; piece < last; piece++) {
        await this.#keep(piece, bytes.slice((piece - first) * this.#pieceBytes, (piece - first + 1) * this.#pieceBytes))
      }
      return bytes
    } finally {
      for (let piece = first; piece < last; piece++) this.#fetching.delete(piece)
    }
  }

  async #keep(piece: number, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const { store, budget, keeps } = this.#options
    if (keeps?.() === false || !budget.take(bytes.byteLength)) return
    const sink = await store.create(this.#path(piece)).catch(() => null)
    try {
      if (sink === null) throw new TypeError('the store takes nothing')
      await sink.write(bytes)
      await sink.close()
      ;(await this.#storedPieces()).add(piece)
    } catch {
      await sink?.abort()
      budget.close()
    }
  }
}

/** Copies what `bytes` (at offset `bytesStart` of the file) and `out` (at `outStart`) have in common. */
function copyOverlap(out: Uint8Array<ArrayBuffer>, outStart: number, bytes: Uint8Array, bytesStart: number): void {
  const from = Math.max(outStart, bytesStart)
  const to = Math.min(outStart + out.length, bytesStart + bytes.length)
  if (from < to) out.set(bytes.subarray(from - bytesStart, to - bytesStart), from - outStart)
}
