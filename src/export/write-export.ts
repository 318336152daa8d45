import { createSHA256 } from 'hash-wasm'
import { StudioError, throwIfAborted } from '../core/errors.ts'
import type { ByteSink } from '../io/byte-sink.ts'
import type { ByteSource } from '../io/byte-source.ts'
import type { Kernels } from '../kernels/contract/kernels.ts'
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
}

export interface ExportJob extends ExportDestination {
  readonly target: ExportTarget
  readonly source: ExportSource
  readonly kernels: Kernels
}

export interface WriteProgress {
  /** `writing` also hashes; `comparing` parses the file again and dequantizes it; `hashing` reads it once more. */
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

/** Bytes read at a time when a file is hashed again. */
const readBackBytes = 16 * 1024 * 1024

/**
 * Writes every file of a target, each hashed on the way, closed at exactly its planned size, read back through the
 * target's own proof and hashed again from what was written. Resolves only when all of it holds. On a fault or an abort
 * nothing is left: the open sink is aborted and closed files are removed.
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
    const files: WrittenFile[] = []
    let done = 0
    for (const file of planned) {
      const sha256 = await writeFile(job, file, (bytes) => tell('writing', file.path, done + bytes), signal)
      closed.push(file.path)
      files.push({ path: file.path, bytes: file.sizeBytes, sha256 })
      done += file.sizeBytes
    }
    done = 0
    for (const [index, file] of planned.entries()) {
      await prove(job, { file, sha256: files[index]?.sha256 ?? '' }, (step, bytes) => tell(step, file.path, done + bytes), signal)
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
  const hash = await createSHA256()
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

async function prove(
  job: ExportJob,
  { file, sha256 }: { readonly file: ExportedFile; readonly sha256: string },
  tell: (step: 'comparing' | 'hashing', bytes: number) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  const written = await job.openWritten(file.path)
  if (written.sizeBytes !== file.sizeBytes) {
    throw proofFailed(`The file ${file.path}`, `has ${written.sizeBytes} bytes on disk instead of ${file.sizeBytes}`)
  }
  tell('comparing', 0)
  if (file.verify !== undefined)
    await file.verify(job.source, written, { kernels: job.kernels, ...(signal === undefined ? {} : { signal }) })
  const hash = await createSHA256()
  for (let start = 0; start < written.sizeBytes; start += readBackBytes) {
    throwIfAborted(signal)
    tell('hashing', start)
    hash.update(await written.read(start, Math.min(written.sizeBytes, start + readBackBytes), signal))
  }
  tell('hashing', file.sizeBytes)
  if (hash.digest('hex') !== sha256) throw proofFailed(`The file ${file.path}`, 'has another SHA-256 on disk than when it was written')
}
