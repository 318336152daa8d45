import type { Checkpoint } from '../checkpoint/checkpoint.ts'
import { StudioError } from '../core/errors.ts'
import { writeChecksums } from '../export/kit/checksums.ts'
import { firstCommand, withKit } from '../export/kit/kit.ts'
import { exportTargets } from '../export/registry.ts'
import type { ExportTarget } from '../export/target.ts'
import { type ExportDestination, writeExport } from '../export/write-export.ts'
import { blobSource } from '../io/blob-source.ts'
import type { FileStore } from '../io/file-store.ts'
import { fileHandleSink } from '../io/handle-sink.ts'
import type { Kernels } from '../kernels/contract/kernels.ts'
import type { ExportProgress, ExportRequest, ExportResult } from '../rpc/contract.ts'
import { kitContents } from './kit-contents.ts'
import { modelFileOf } from './model-file.ts'
import { exportSource, requireResult } from './run-result.ts'
import type { StoredTensor } from './stored-tensor.ts'
import { type ExportStores, openWritten, type StartHasher, type StoredExport, type WrittenFile } from './written-file.ts'

/** Between two progress messages of a file that is written in many pieces. */
const intervalMs = 100

/** Throws `usage` for an id that is no target. */
export function exportTarget(id: string): ExportTarget {
  const target = exportTargets.find((one) => one.id === id)
  if (target !== undefined) return target
  const known = exportTargets.map((one) => one.id).join(', ')
  throw new StudioError('usage', {
    title: 'No such export format',
    message: `There is no export target "${id}".`,
    remedy: `The targets are ${known}.`,
  })
}

/** Writes one recipe of a finished run; hashed, read back and compared when it resolves. */
export async function exportRun(
  tools: {
    readonly checkpoint: Checkpoint
    readonly runs: FileStore
    readonly exports: FileStore
    readonly kernels: Kernels
    readonly now: () => number
    /** Absent: this thread hashes. */
    readonly startHasher?: StartHasher | undefined
  },
  request: ExportRequest,
  onProgress: (progress: ExportProgress) => void,
  signal: AbortSignal,
): Promise<ExportResult> {
  const result = await requireResult(tools.runs, request.planHash)
  const format = exportTarget(request.targetId)
  const target = withKit(format, kitContents(result.report, request.recipeId))
  const source = { ...exportSource(tools.runs, tools.checkpoint, result, request.recipeId), options: request.options }
  const folder = `${request.recipeId}/${target.id}`
  const { destination } = request
  const place =
    destination === null
      ? storeDestination(tools, folder, result.tensors[request.recipeId] ?? [])
      : handleDestination(handlesOf(destination))
  const { startHasher } = tools
  const { writtenAt } = place
  const hashing: Pick<ExportDestination, 'startHasher'> = startHasher === undefined ? {} : { startHasher: () => startHasher(writtenAt) }
  let last = { step: '', at: Number.NEGATIVE_INFINITY }
  const tell = (progress: ExportProgress): void => {
    const now = tools.now()
    if (progress.step === last.step && now - last.at < intervalMs && progress.bytesDone < progress.bytes) return
    last = { step: progress.step, at: now }
    onProgress(progress)
  }
  const written = await writeExport({ target, source, kernels: tools.kernels, ...place, ...hashing }, tell, signal)
  const files = [...written.files, await writeChecksums(place, written.files)]
  const stored = destination === null ? await Promise.all(files.map(({ path }) => writtenAt(path))) : []
  const storedPaths = stored.flatMap((file) => ('handle' in file ? [] : [`${file.store}/${file.path}`]))
  if (destination === null) await keepOnly(tools.exports, folder, storedPaths)
  return {
    recipeId: request.recipeId,
    target: target.id,
    files,
    storedPaths,
    firstCommand: firstCommand(format, source),
    notes: target.notes(source),
  }
}

/** Files of an export before, with other options, are called otherwise: nobody could save them any more. */
async function keepOnly(store: FileStore, folder: string, paths: readonly string[]): Promise<void> {
  for (const { path } of await store.list(folder)) if (!paths.includes(`exports/${path}`)) await store.delete(path)
}

/** A destination that tells another thread where its files lie. */
interface Place extends ExportDestination {
  readonly writtenAt: (path: string) => Promise<WrittenFile>
}

function storeDestination(stores: ExportStores, folder: string, tensors: readonly StoredTensor[]): Place {
  const completed = new Map<string, StoredExport>()
  const placeOf = (path: string): StoredExport => completed.get(path) ?? { store: 'exports', path: `${folder}/${path}` }
  return {
    createSink: (path) => stores.exports.create(`${folder}/${path}`),
    async editInPlace(file) {
      const path = modelFileOf(tensors, file)
      const editor = path === null ? null : await stores.runs.edit(path)
      if (path !== null && editor !== null) completed.set(file.path, { store: 'runs', path })
      return editor
    },
    openWritten: (path) => openWritten(stores, placeOf(path)),
    removeWritten: (path) => stores.exports.delete(`${folder}/${path}`),
    writtenAt: async (path) => placeOf(path),
  }
}

/** Chromium alone can remove a file through its handle. */
interface RemovableHandle {
  remove?(): Promise<void>
}

type FileOf = (path: string, create: boolean) => Promise<FileSystemFileHandle>

/** A file that the person chose holds a target of one file; a folder holds any. */
function handlesOf(destination: FileSystemFileHandle | FileSystemDirectoryHandle): FileOf {
  return async (path, create) => {
    if (destination.kind === 'file') return destination
    let folder = destination
    const parts = path.split('/')
    for (const part of parts.slice(0, -1)) folder = await folder.getDirectoryHandle(part, { create })
    return folder.getFileHandle(parts.at(-1) ?? path, { create })
  }
}

function handleDestination(fileOf: FileOf): Place {
  return {
    createSink: async (path) => fileHandleSink(await fileOf(path, true)),
    openWritten: async (path) => blobSource(path, await (await fileOf(path, false)).getFile()),
    async removeWritten(path) {
      const file = await fileOf(path, false)
      await (file as RemovableHandle).remove?.()
    },
    writtenAt: async (path) => ({ handle: await fileOf(path, false) }),
  }
}
