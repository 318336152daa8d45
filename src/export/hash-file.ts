import { createSHA256, createXXHash64 } from 'hash-wasm'
import { throwIfAborted } from '../core/errors.ts'
import type { ByteSource } from '../io/byte-source.ts'
import { readInto } from '../io/read-into.ts'
import { Scratch } from '../io/scratch.ts'

/** A hash that is fed piece by piece. */
export interface Hasher {
  update(bytes: Uint8Array): void
  /** Hex. */
  digest(): string
}

export interface FileHashes {
  readonly sha256: string
  /** XXH64, hex, to compare with that of the bytes that went into the file. */
  readonly checksum: string
}

/** Reads closed files from front to back, one after the other; `onBytes` is told how far. */
export interface FileHasher {
  hashesOf(path: string, onBytes: (bytes: number) => void, signal?: AbortSignal): Promise<FileHashes>
  close(): void
}

/** Bytes read at a time. */
const pieceBytes = 8 * 2 ** 20

/** XXH64. */
export async function createChecksum(): Promise<Hasher> {
  const hash = (await createXXHash64()).init()
  return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest('hex') }
}

/** SHA-256 in WASM: what every browser has for files that do not fit in memory. */
export async function wasmSha256(): Promise<Hasher> {
  const hash = await createSHA256()
  return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest('hex') }
}

/** Both hashes of a file, from one reading. */
export async function fileHashes(
  file: ByteSource,
  sha256: Hasher,
  onBytes: (bytes: number) => void,
  signal?: AbortSignal,
): Promise<FileHashes> {
  const checksum = await createChecksum()
  const scratch = new Scratch()
  for (let start = 0; start < file.sizeBytes; start += pieceBytes) {
    throwIfAborted(signal)
    onBytes(start)
    const piece = scratch.take(Math.min(pieceBytes, file.sizeBytes - start))
    await readInto(file, piece, start, signal)
    checksum.update(piece)
    sha256.update(piece)
  }
  onBytes(file.sizeBytes)
  return { sha256: sha256.digest(), checksum: checksum.digest() }
}

/** In this thread. */
export function hashHere(open: (path: string) => Promise<ByteSource>): FileHasher {
  return {
    hashesOf: async (path, onBytes, signal) => fileHashes(await open(path), await wasmSha256(), onBytes, signal),
    close: () => undefined,
  }
}
