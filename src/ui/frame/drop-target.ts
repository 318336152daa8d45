import type { PickedFile } from '../actions.ts'

/** Folders in folders of a dropped model are rare; this bounds a drop of a whole disk. */
const MOST_FILES = 5000

const readEntries = (reader: FileSystemDirectoryReader): Promise<FileSystemEntry[]> =>
  new Promise((resolve, reject) => reader.readEntries(resolve, reject))
const readFile = (entry: FileSystemFileEntry): Promise<File> => new Promise((resolve, reject) => entry.file(resolve, reject))

/** All files below an entry, depth first. `readEntries` gives at most 100 at a time. */
async function filesBelow(entry: FileSystemEntry, into: PickedFile[]): Promise<void> {
  if (into.length >= MOST_FILES) return
  if (entry.isFile) {
    into.push({ path: entry.fullPath.replace(/^\//, ''), file: await readFile(entry as FileSystemFileEntry) })
    return
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader()
  for (let part = await readEntries(reader); part.length > 0; part = await readEntries(reader))
    for (const child of part) await filesBelow(child, into)
}

/** Files and folders of a drop. Entries are taken at once: the transfer is empty after the event. */
export async function filesOfDrop(transfer: DataTransfer): Promise<readonly PickedFile[]> {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null)
  const files: PickedFile[] = []
  if (entries.length === 0) return filesOfList(transfer.files)
  for (const entry of entries) await filesBelow(entry, files)
  return files
}

/** Files of a picker, with their path when a folder was chosen. */
export const filesOfList = (list: FileList | readonly File[]): readonly PickedFile[] =>
  [...list].map((file) => ({ path: file.webkitRelativePath === '' ? file.name : file.webkitRelativePath, file }))

/** `imatrix.dat`, `model.imatrix`, `model.imatrix.gguf`: names that llama.cpp's tools and their users give. */
export const isImatrixName = (path: string): boolean => /(\.imatrix|\.dat|imatrix[^/]*\.gguf)$/i.test(path)
