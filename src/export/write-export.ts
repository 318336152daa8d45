import { StudioError, throwIfAborted } from '../core/errors.ts'
import type { ByteSink } from '../io/byte-sink.ts'
import type { ByteSource } from '../io/byte-source.ts'
import type { Kernels } from '../kernels/contract/kernels.ts'
import { type FileHasher, type FileHashes, hashHere } from './hash-file.ts'
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
  /** Hashes in another thread, where the host has one; absent: this thread does it. */
  startHasher?(): FileHasher
}

export interface ExportJob extends ExportDestination {
  readonly target: ExportTarget
  readonly source: ExportSource
  readonly kernels: Kernels
}

export interface WriteProgress {
  /** `comparing` parses the file again and compares every tensor; `hashing` reads it whole, beside that or after it. */
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

/** Fewer bytes are hashed before another thread would have started. */
const leastBytesOfThread = 2 ** 22

/**
 * Writes every file of a target, each hashed on the way (SHA-256 and XXH64), closed at exactly its planned size, read back
 * through the target's own proof, and read whole once more, beside it or after it, for the same XXH64: so the SHA-256 is that of
 * the bytes in the place they were written to. Resolves only when all of it holds. On a fault or an abort nothing is left: the
 * open sink is aborted and closed files are removed.
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
  const inThread = total < leastBytesOfThread ? undefined : job.startHasher?.()
  const hasher = inThread ?? hashHere((path) => job.openWritten(path))
  try {
    const written: { readonly file: ExportedFile; readonly hashes: FileHashes }[] = []
    let done = 0
    for (const file of planned) {
      const { hashes } = await writeFile(job, { file, hasher }, (bytes) => tell('writing', file.path, done + bytes), signal)
      closed.push(file.path)
      written.push({ file, hashes: await hashes })
      done += file.sizeBytes
    }
    done = 0
    const files: WrittenFile[] = []
    for (const { file, hashes } of written) {
      const tellBytes = (step: WriteProgress['step'], bytes: number): void => tell(step, file.path, done + bytes)
      await prove(job, { file, hasher, checksum: hashes.checksum }, tellBytes, signal)
      files.push({ path: file.path, bytes: file.sizeBytes, sha256: hashes.sha256 })
      done += file.sizeBytes
    }
    tell('done', planned.at(-1)?.path ?? '', total)
    return { target: target.id, files }
  } catch (error) {
    for (const path of closed) await job.removeWritten(path).catch(() => undefined)
    throw error
  } finally {
    hasher.close()
  }
}

async function writeFile(
  job: ExportJob,
  { file, hasher }: { readonly file: ExportedFile; readonly hasher: FileHasher },
  onBytes: (bytes: number) => void,
  signal: AbortSignal | undefined,
): Promise<{ readonly hashes: Promise<FileHashes> }> {
  const sink = await job.createSink(file.path)
  let written = 0
  try {
    onBytes(0)
    for await (const piece of file.write(job.source, signal)) {
      throwIfAborted(signal)
      await both(hasher.update(piece), sink.write(piece))
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
    const hashes = hasher.digest()
    // It is awaited when the file counts as closed; until then a rejection is not unhandled.
    hashes.catch(() => undefined)
    await sink.close()
    return { hashes }
  } catch (error) {
    await sink.abort()
    throw error
  }
}

async function prove(
  job: ExportJob,
  { file, hasher, checksum }: { readonly file: ExportedFile; readonly hasher: FileHasher; readonly checksum: string },
  tell: (step: 'comparing' | 'hashing', bytes: number) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  const written = await job.openWritten(file.path)
  if (written.sizeBytes !== file.sizeBytes) {
    throw proofFailed(`The file ${file.path}`, `has ${written.sizeBytes} bytes on disk instead of ${file.sizeBytes}`)
  }
  tell('comparing', 0)
  // What has been read meanwhile is told once the comparison is through: steps come one after the other.
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
  const found = await beside(compare, (stop) => hasher.checksumOf(file.path, onBytes, stop), signal)
  if (found !== checksum) throw proofFailed(`The file ${file.path}`, 'has another checksum on disk than when it was written')
}

/** Resolves when both do, and rejects only when both have ended: then nothing reads the piece any more. */
async function both(one: Promise<void>, other: Promise<void>): Promise<void> {
  for (const result of await Promise.allSettled([one, other])) if (result.status === 'rejected') throw result.reason
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
