import type { FileHasher } from '../export/hash-file.ts'
import { blobSource } from '../io/blob-source.ts'
import type { ByteSource } from '../io/byte-source.ts'
import type { FileStore } from '../io/file-store.ts'
import { storageError } from '../io/store-path.ts'

/** The stores that exported files lie in: one that was completed where its run stored the weights stays there. */
export type ExportStores = Readonly<Record<'runs' | 'exports', FileStore>>

/** A file in one of them. */
export interface StoredExport {
  readonly store: keyof ExportStores
  readonly path: string
}

/** A written file as another thread finds it: in storage, or where the person chose. */
export type WrittenFile = StoredExport | { readonly handle: FileSystemFileHandle }

/** Starts a thread that hashes files; `fileOf` says where one lies. */
export type StartHasher = (fileOf: (path: string) => WrittenFile | Promise<WrittenFile>) => FileHasher

export async function openWritten(stores: ExportStores, file: WrittenFile): Promise<ByteSource> {
  if ('handle' in file) return blobSource(file.handle.name, await file.handle.getFile())
  const source = await stores[file.store].open(file.path)
  if (source === null) throw storageError('Reading', file.path, new Error('the file is gone'))
  return source
}
