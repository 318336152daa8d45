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
  /** XXH64, hex, to compare with that of the bytes that are on the disk. */
  readonly checksum: string
}

/** Hashes the bytes of a file on their way into it, and reads files that are closed; one file after the other. */
export interface FileHasher {
  /** The next bytes; they stay the caller's. Resolves when more may come. */
  update(bytes: Uint8Array): Promise<void>
  /** Of all bytes since the last file. */
  digest(): Promise<FileHashes>
  /** XXH64 of what is on the disk; `onBytes` is told how far. */
  checksumOf(path: string, onBytes: (bytes: number) => void, signal?: AbortSignal): Promise<string>
  close(): void
}

/** Bytes read at a time. */
const pieceBytes = 8 * 2 ** 20

/** SHA-256 in WASM: what every browser has for files that do not fit in memory. */
export async function wasmSha256(): Promise<Hasher> {
  const hash = await createSHA256()
  return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest('hex') }
}

/** Both hashes of bytes that come piece by piece. */
export async function createHashes(sha256: Hasher): Promise<{ update(bytes: Uint8Array): void; digest(): FileHashes }> {
  const checksum = (await createXXHash64()).init()
  return {
    update(bytes) {
      checksum.update(bytes)
      sha256.update(bytes)
    },
    digest: () => ({ sha256: sha256.digest(), checksum: checksum.digest('hex') }),
  }
}

/** XXH64 of a file, read from front to back; `onBytes` is told how far. */
export async function fileChecksum(file: ByteSource, onBytes: (bytes: number) => void, signal?: AbortSignal): Promise<string> {
  const checksum = (await createXXHash64()).init()
  const scratch = new Scratch()
  for (let start = 0; start < file.sizeBytes; start += pieceBytes) {
    throwIfAborted(signal)
    onBytes(start)
    const piece = scratch.take(Math.min(pieceBytes, file.sizeBytes - start))
    await readInto(file, piece, start, signal)
    checksum.update(piece)
  }
  onBytes(file.sizeBytes)
  return checksum.digest('hex')
}

/** In this thread. */
export function hashHere(open: (path: string) => Promise<ByteSource>): FileHasher {
  const create = async () => createHashes(await wasmSha256())
  let hashes = create()
  return {
    update: async (bytes) => (await hashes).update(bytes),
    async digest() {
      const found = (await hashes).digest()
      hashes = create()
      return found
    },
    checksumOf: async (path, onBytes, signal) => fileChecksum(await open(path), onBytes, signal),
    close: () => undefined,
  }
}
