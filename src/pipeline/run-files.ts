import { createXXHash64 } from 'hash-wasm'
import { StudioError } from '../core/errors.ts'
import type { ByteSink } from '../io/byte-sink.ts'
import type { FileStore } from '../io/file-store.ts'

/** A file of a run as the journal remembers it. */
export interface RunFile {
  readonly path: string
  readonly sizeBytes: number
  /** XXH64, hex: finds a file that changed on disk, not an adversary. */
  readonly checksum: string
}

/** No buffer that goes to or comes from storage is larger. */
export const pieceBytes = 8 * 2 ** 20

/** A sink that knows size and checksum of what went through it. */
export async function createRunFile(store: FileStore, path: string): Promise<{ readonly sink: ByteSink; finish(): Promise<RunFile> }> {
  const hash = await createXXHash64()
  hash.init()
  const target = await store.create(path)
  let sizeBytes = 0
  const sink: ByteSink = {
    async write(bytes) {
      hash.update(bytes)
      sizeBytes += bytes.byteLength
      for (let start = 0; start < bytes.byteLength; start += pieceBytes) {
        await target.write(bytes.subarray(start, Math.min(start + pieceBytes, bytes.byteLength)))
      }
    },
    close: () => target.close(),
    abort: () => target.abort(),
  }
  return {
    sink,
    async finish() {
      await target.close()
      return { path, sizeBytes, checksum: hash.digest('hex') }
    },
  }
}

/** Whether the file is still what the journal says, read in pieces. */
export async function isUnchanged(store: FileStore, file: RunFile, signal: AbortSignal): Promise<boolean> {
  const source = await store.open(file.path)
  if (source?.sizeBytes !== file.sizeBytes) return false
  const hash = await createXXHash64()
  hash.init()
  for (let start = 0; start < file.sizeBytes; start += pieceBytes) {
    hash.update(await source.read(start, Math.min(start + pieceBytes, file.sizeBytes), signal))
  }
  return hash.digest('hex') === file.checksum
}

export async function writeJson(store: FileStore, path: string, value: unknown): Promise<RunFile> {
  const file = await createRunFile(store, path)
  try {
    await file.sink.write(new TextEncoder().encode(JSON.stringify(value)))
    return await file.finish()
  } catch (error) {
    await file.sink.abort()
    throw error
  }
}

/** `null` when there is no such file or it is not JSON. */
export async function readJson(store: FileStore, path: string): Promise<unknown> {
  const source = await store.open(path)
  if (source === null) return null
  try {
    return JSON.parse(new TextDecoder().decode(await source.read(0, source.sizeBytes)))
  } catch {
    return null
  }
}

export function storageFault(path: string, what: string): StudioError {
  return new StudioError('storage-fault', {
    title: 'Stored results of this run are damaged',
    message: `${what} (${path}).`,
    remedy: 'Discard this run in Settings and run again; the model and the recipes are untouched.',
    details: { path },
  })
}
