import type { FileHasher } from '../export/hash-file.ts'
import { blobSource } from '../io/blob-source.ts'
import type { ByteSource } from '../io/byte-source.ts'
import type { FileStore } from '../io/file-store.ts'
import { storageError } from '../io/store-path.ts'

/** A written file as another thread finds it: in the storage of exports, or where the person chose. */
export type WrittenFile = { readonly storedPath: string } | { readonly handle: FileSystemFileHandle }

/** Starts a thread that hashes files; `fileOf` says where one lies. */
export type StartHasher = (fileOf: (path: string) => WrittenFile | Promise<WrittenFile>) => FileHasher

export async function openWritten(exports: FileStore, file: WrittenFile): Promise<ByteSource> {
  if ('handle' in file) return blobSource(file.handle.name, await file.handle.getFile())
  const source = await exports.open(file.storedPath)
  if (source === null) throw storageError('Reading', file.storedPath, new Error('the file is gone'))
  return source
}
