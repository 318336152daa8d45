import type { FileStore } from '../io/file-store.ts'
import { createRunFile } from './run-files.ts'
import { appending, type StoredTensor, StoredTensorWriter } from './stored-tensor.ts'

/** Writes a file of tensors by `write`, whose result is `made`; a file that does not come to its end is removed. */
export async function writeTensorFile<T>(
  store: FileStore,
  path: string,
  write: (writer: StoredTensorWriter) => Promise<T>,
): Promise<{ readonly tensors: StoredTensor[]; readonly made: T }> {
  const file = await createRunFile(store, path)
  try {
    const writer = new StoredTensorWriter(appending(file.sink), path)
    const made = await write(writer)
    await file.finish()
    return { tensors: writer.tensors(), made }
  } catch (error) {
    await file.sink.abort()
    throw error
  }
}
