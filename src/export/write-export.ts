import { StudioError, throwIfAborted } from '../core/errors.ts'
import type { ByteSink } from '../io/byte-sink.ts'
import type { ByteSource } from '../io/byte-source.ts'
import type { FileEditor } from '../io/file-store.ts'
import type { Kernels } from '../kernels/contract/kernels.ts'
import { Background } from './background.ts'
import { createChecksum, type FileHasher, type FileHashes, hashHere } from './hash-file.ts'
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
  /**
   * The file as a run left it: there are the matrices of `file.inPlace`, and the rest is written to it. Reading back finds it under
   * the same path. `null`, or absent: the file is written whole.
   */
  editInPlace?(file: ExportedFile): Promise<FileEditor | null>
  /** Starts a thread that hashes, where the host has threads; absent: this one does it. */
  startHasher?(): FileHasher
}

export interface ExportJob extends ExportDestination {
  readonly target: ExportTarget
  readonly source: ExportSource
  readonly kernels: Kernels
}

export interface WriteProgress {
  /** `comparing` parses the files again and compares every tensor; `hashing` reads them whole, from when each is closed. */
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
 * Writes every file of a target, each closed at exactly its planned size and read back through the target's own proof. Beside
 * that each closed file is read whole for its SHA-256 and for the XXH64 of the bytes that went in: so the SHA-256 is that of the
 * bytes in the place they were written to. Of a file that is completed in place the proof alone knows what went in. Resolves only
 * when all of it holds. On a fault or an abort nothing is left: the open
 * sink is aborted and closed files are removed.
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
  const closed: string[] = []
  try {
    return { target: target.id, files: await writeFiles(job, closed, onProgress, signal) }
  } catch (error) {
    for (const path of closed) await job.removeWritten(path).catch(() => undefined)
    throw error
  }
}

/** Fills `closed` with the paths of what is to be removed when it fails; then nothing reads it any more. */
async function writeFiles(
  job: ExportJob,
  closed: string[],
  onProgress: (progress: WriteProgress) => void,
  signal: AbortSignal | undefined,
): Promise<WrittenFile[]> {
  const planned = job.target.layout(job.source)
  const total = planned.reduce((sum, file) => sum + file.sizeBytes, 0)
  const last = planned.at(-1)?.path ?? ''
  const tell = (step: WriteProgress['step'], path: string, bytesDone: number) => onProgress({ step, path, bytesDone, bytes: total })
  const hasher = (total < leastBytesOfThread ? undefined : job.startHasher?.()) ?? hashHere((path) => job.openWritten(path))
  const background = new Background(signal)
  let isProved = false
  let hashed = 0
  const onHashed = (path: string, bytes: number): void => {
    hashed = bytes
    // Steps are told one after the other.
    if (isProved) tell('hashing', path, bytes)
  }
  try {
    const written: WrittenAndHashed[] = []
    let done = 0
    for (const file of planned) {
      const before = done
      const onBytes = (bytes: number): void => tell('writing', file.path, before + bytes)
      const editor = file.inPlace === undefined ? null : ((await job.editInPlace?.(file)) ?? null)
      let checksum: string | null = null
      if (editor === null) {
        checksum = await writeFile(job, file, onBytes, signal)
        closed.push(file.path)
      } else await completeFile(job, { file, editor }, onBytes, signal)
      const hashes = background.start((stop) => hasher.hashesOf(file.path, (bytes) => onHashed(file.path, before + bytes), stop))
      written.push({ file, checksum, hashes })
      done += file.sizeBytes
    }
    done = 0
    for (const file of planned) {
      tell('comparing', file.path, done)
      await prove(job, file, signal)
      done += file.sizeBytes
    }
    tell('comparing', last, total)
    isProved = true
    tell('hashing', last, hashed)
    const files: WrittenFile[] = []
    for (const { file, checksum, hashes } of written) {
      const found = await hashes
      if (checksum !== null && found.checksum !== checksum)
        throw proofFailed(`The file ${file.path}`, 'has another checksum on disk than when it was written')
      files.push({ path: file.path, bytes: file.sizeBytes, sha256: found.sha256 })
    }
    tell('done', last, total)
    return files
  } finally {
    await background.end()
    hasher.close()
  }
}

interface WrittenAndHashed {
  readonly file: ExportedFile
  /** Of the bytes that went in; `null` where most of them were there. */
  readonly checksum: string | null
  /** Of those that are there. */
  readonly hashes: Promise<FileHashes>
}

/** Returns the XXH64 of what went in. */
async function writeFile(
  job: ExportJob,
  file: ExportedFile,
  onBytes: (bytes: number) => void,
  signal: AbortSignal | undefined,
): Promise<string> {
  const checksum = await createChecksum()
  const sink = await job.createSink(file.path)
  let bytesWritten = 0
  try {
    onBytes(0)
    for await (const piece of file.write(job.source, signal)) {
      throwIfAborted(signal)
      const written = sink.write(piece)
      checksum.update(piece)
      await written
      bytesWritten += piece.length
      onBytes(bytesWritten)
    }
    throwIfAborted(signal)
    if (bytesWritten !== file.sizeBytes) {
      throw new StudioError('internal', {
        title: 'The file does not have its planned size',
        message: `${file.path} was planned with ${file.sizeBytes} bytes and has ${bytesWritten}. Nothing was saved.`,
        remedy: 'Report this with the details.',
      })
    }
    await sink.close()
    return checksum.digest()
  } catch (error) {
    await sink.abort()
    throw error
  }
}

/** What the run stored in it stays in whatever happens. */
async function completeFile(
  { source }: ExportJob,
  { file: { inPlace, sizeBytes }, editor }: { readonly file: ExportedFile; readonly editor: FileEditor },
  onBytes: (bytes: number) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  try {
    onBytes(0)
    for await (const { at, bytes } of inPlace?.rest(source, signal) ?? []) {
      throwIfAborted(signal)
      await editor.write(bytes, at)
      onBytes(at + bytes.length)
    }
    onBytes(sizeBytes)
  } finally {
    await editor.close()
  }
}

/**
 * Reads a closed file back through the target's reader. It was made of tiles whose checksums held, so that what is stored is read
 * without them here: where the two differ, they tell whether it is the storage that has changed.
 */
async function prove(job: ExportJob, file: ExportedFile, signal: AbortSignal | undefined): Promise<void> {
  const written = await job.openWritten(file.path)
  if (written.sizeBytes !== file.sizeBytes) {
    throw proofFailed(`The file ${file.path}`, `has ${written.sizeBytes} bytes on disk instead of ${file.sizeBytes}`)
  }
  const { source, kernels } = job
  const stored: ExportSource = { ...source, readTiles: (name, stop) => source.readTiles(name, stop, { isChecked: false }) }
  try {
    await file.verify?.(stored, written, { kernels, ...(signal === undefined ? {} : { signal }) })
  } catch (error) {
    if (signal?.aborted !== true) await checkStored(source, signal)
    throw error
  }
}

/** Throws `storage-fault` when anything that is stored is not what was written. */
async function checkStored(source: ExportSource, signal: AbortSignal | undefined): Promise<void> {
  for (const [name, { encoding }] of source.encodings) {
    if (encoding === 'source') continue
    const tiles = source.readTiles(name, signal)[Symbol.asyncIterator]()
    while ((await tiles.next()).done !== true) throwIfAborted(signal)
  }
}
