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
  /** XXH64, hex, to compare with that of the bytes as they were written. */
  readonly checksum: string
}

/** Bytes read at a time. */
const pieceBytes = 8 * 2 ** 20

/** SHA-256 in WASM: what every browser has for files that do not fit in memory. */
export async function wasmSha256(): Promise<Hasher> {
  const hash = await createSHA256()
  return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest('hex') }
}

/** Reads a file from front to back; `onBytes` is told how far. */
export async function hashFile(
  file: ByteSource,
  sha256: Hasher,
  onBytes: (bytes: number) => void,
  signal?: AbortSignal,
): Promise<FileHashes> {
  const checksum = (await createXXHash64()).init()
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
  return { sha256: sha256.digest(), checksum: checksum.digest('hex') }
}
