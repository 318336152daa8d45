import { createXXHash64 } from 'hash-wasm'
import { StudioError, throwIfAborted } from '../core/errors.ts'
import type { ByteSink } from '../io/byte-sink.ts'
import type { ByteSource } from '../io/byte-source.ts'
import type { Kernels } from '../kernels/contract/kernels.ts'
import { type FileHashes, hashFile, wasmSha256 } from './hash-file.ts'
import { proofFailed } from './proof.ts'
import type { ExportedFile, ExportSource, ExportTarget } from './target.ts'

/** Where files go. Paths are those of `ExportedFile`. */
export interface ExportDestination {
  /** A fresh file; what was there stays until the sink is closed. */
  createSink(path: string): Promise<ByteSink>
  /** The file just closed, for reading it back. */
  openWritten(path: string): Promise<ByteSource>
  /** Deletes a closed file; called when a later step fails. */
  removeWritten(path: string): Promise<void>
  /** Reads and hashes a closed file in another thread, where the host has one; absent: this thread does it. */
  hashWritten?(path: string, onBytes: (bytes: number) => void, signal: AbortSignal): Promise<FileHashes>
}

export interface ExportJob extends ExportDestination {
  readonly target: ExportTarget
  readonly source: ExportSource
  readonly kernels: Kernels
}

export interface WriteProgress {
  /** `comparing` parses the file again and compares every tensor; `hashing` reads it beside that or once more. */
  readonly step: 'writing' | 'comparing' | 'hashing' | 'done'
  readonly path: string
  /** Of this step over all files. */
  readonly bytesDone: number
  readonly bytes: number
}

export interface WrittenFile {
  readonly path: string
  readonly bytes: number
  readonly sha256: string
}

/** Smaller files are hashed before another thread would have started. */
const leastBytesOfThread = 2 ** 22

/**
 * Writes every file of a target, each with a checksum (XXH64) taken on the way, closed at exactly its planned size, read back
 * through the target's own proof, and read once more, beside it or after it, for its SHA-256 and the same checksum: the SHA-256
 * is that of the bytes in the place they were written to. Resolves only when all of it holds. On a fault or an abort nothing is left: the open sink is
 * aborted and closed files are removed.
 *
 * Throws `StudioError`: `export-refused` (the target cannot hold this recipe), `proof-failed` naming the tensor,
 * `storage-full`, `storage-fault`, `aborted`, and what reading the checkpoint throws.
 */
export async function writeExport(
  job: ExportJob,
  onProgress: (progress: WriteProgress) => void,
  signal?: AbortSignal,
): Promise<{ readonly target: string; readonly files: readonly WrittenFile[] }> {
  const { target, source } = job
  const support = target.supports(source)
  if (support !== true) {
    throw new StudioError('export-refused', {
      title: `This recipe cannot be written as ${target.title}`,
      message: support,
      remedy: 'Choose another format for it, or another grid for this format.',
    })
  }
  const planned = target.layout(source)
  const closed: string[] = []
  const total = planned.reduce((sum, file) => sum + file.sizeBytes, 0)
  const tell = (step: WriteProgress['step'], path: string, bytesDone: number) => onProgress({ step, path, bytesDone, bytes: total })
  try {
    const checksums: string[] = []
    let done = 0
    for (const file of planned) {
      const checksum = await writeFile(job, file, (bytes) => tell('writing', file.path, done + bytes), signal)
      closed.push(file.path)
      checksums.push(checksum)
      done += file.sizeBytes
    }
    done = 0
    const files: WrittenFile[] = []
    for (const [index, file] of planned.entries()) {
      const tellBytes = (step: WriteProgress['step'], bytes: number): void => tell(step, file.path, done + bytes)
      const sha256 = await prove(job, { file, checksum: checksums[index] ?? '' }, tellBytes, signal)
      files.push({ path: file.path, bytes: file.sizeBytes, sha256 })
      done += file.sizeBytes
    }
    tell('done', planned.at(-1)?.path ?? '', total)
    return { target: target.id, files }
  } catch (error) {
    for (const path of closed) await job.removeWritten(path).catch(() => undefined)
    throw error
  }
}

async function writeFile(
  job: ExportJob,
  file: ExportedFile,
  onBytes: (bytes: number) => void,
  signal: AbortSignal | undefined,
): Promise<string> {
  const hash = (await createXXHash64()).init()
  const sink = await job.createSink(file.path)
  let written = 0
  try {
    onBytes(0)
    for await (const piece of file.write(job.source, signal)) {
      throwIfAborted(signal)
      hash.update(piece)
      await sink.write(piece)
      written += piece.length
      onBytes(written)
    }
    throwIfAborted(signal)
    if (written !== file.sizeBytes) {
      throw new StudioError('internal', {
        title: 'The file does not have its planned size',
        message: `${file.path} was planned with ${file.sizeBytes} bytes and has ${written}. Nothing was saved.`,
        remedy: 'Report this with the details.',
      })
    }
    await sink.close()
  } catch (error) {
    await sink.abort()
    throw error
  }
  return hash.digest('hex')
}

/** Returns the SHA-256 of the file as it was written. */
async function prove(
  job: ExportJob,
  { file, checksum }: { readonly file: ExportedFile; readonly checksum: string },
  tell: (step: 'comparing' | 'hashing', bytes: number) => void,
  signal: AbortSignal | undefined,
): Promise<string> {
  const written = await job.openWritten(file.path)
  if (written.sizeBytes !== file.sizeBytes) {
    throw proofFailed(`The file ${file.path}`, `has ${written.sizeBytes} bytes on disk instead of ${file.sizeBytes}`)
  }
  tell('comparing', 0)
  // What another thread has hashed is told once the comparison is through: steps come one after the other.
  let isCompared = false
  let hashed = 0
  const onBytes = (bytes: number): void => {
    hashed = bytes
    if (isCompared) tell('hashing', bytes)
  }
  const compare = async (): Promise<void> => {
    await file.verify?.(job.source, written, { kernels: job.kernels, ...(signal === undefined ? {} : { signal }) })
    isCompared = true
    tell('hashing', hashed)
  }
  let hashes: FileHashes
  if (job.hashWritten === undefined || file.sizeBytes < leastBytesOfThread) {
    await compare()
    hashes = await hashFile(written, await wasmSha256(), onBytes, signal)
  } else {
    const hash = job.hashWritten.bind(job)
    hashes = await beside(compare, (stop) => hash(file.path, onBytes, stop), signal)
  }
  if (hashes.checksum !== checksum) throw proofFailed(`The file ${file.path}`, 'has another checksum on disk than when it was written')
  return hashes.sha256
}

/** Does `other` while `main` is at work, and stops it when `main` fails: that fault is thrown. */
async function beside<T>(main: () => Promise<void>, other: (stop: AbortSignal) => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  const stop = new AbortController()
  const onAbort = (): void => stop.abort()
  signal?.addEventListener('abort', onAbort)
  const result = other(stop.signal)
  // It is awaited after `main`; until then a rejection is not unhandled.
  result.catch(() => undefined)
  try {
    await main()
    return await result
  } catch (error) {
    stop.abort()
    await result.catch(() => undefined)
    throw error
  } finally {
    signal?.removeEventListener('abort', onAbort)
  }
}
