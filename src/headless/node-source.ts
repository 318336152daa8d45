import { closeSync, openSync, read } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { StudioError, throwIfAborted } from '../core/errors.ts'
import type { ByteSource } from '../io/byte-source.ts'
import { assertRange } from '../io/range.ts'

const readFrom = promisify(read)

/** A file on disk. Opened for each read and closed after it, so nothing has to be released. Throws `file-missing`. */
export async function nodeFileSource(path: string, name = basename(path)): Promise<ByteSource> {
  const { size } = await stat(path).catch((cause: unknown) => {
    throw missing(name, path, cause)
  })
  const readInto = async (into: Uint8Array, start: number, signal?: AbortSignal): Promise<void> => {
    const end = start + into.length
    throwIfAborted(signal)
    assertRange(name, size, start, end)
    const file = openFile(name, path)
    try {
      let filled = 0
      while (filled < into.length) {
        throwIfAborted(signal)
        const { bytesRead } = await readFrom(file, into, filled, into.length - filled, start + filled)
        if (bytesRead === 0) assertRange(name, start + filled, start, end) // the file became shorter
        filled += bytesRead
      }
    } finally {
      closeSync(file)
    }
  }
  return {
    name,
    sizeBytes: size,
    async read(start, end, signal) {
      assertRange(name, size, start, end)
      const bytes = new Uint8Array(end - start)
      await readInto(bytes, start, signal)
      return bytes
    },
    readInto,
  }
}

/** At once, so that a read which nobody waits for yet is under way while this thread does something else. */
function openFile(name: string, path: string): number {
  try {
    return openSync(path, 'r')
  } catch (cause) {
    throw missing(name, path, cause)
  }
}

/**
 * The files of a folder, one level of sub-folders deep, by path relative to it. Hidden entries are left out.
 * Throws `file-missing` when there is no such folder.
 */
export async function nodeFolderFiles(folder: string): Promise<ReadonlyMap<string, ByteSource>> {
  const files = new Map<string, ByteSource>()
  const addFrom = async (relative: string, depth: number): Promise<void> => {
    const at = join(folder, relative)
    const entries = await readdir(at, { withFileTypes: true }).catch((cause: unknown) => {
      throw missing(basename(resolve(at)), at, cause)
    })
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (entry.name.startsWith('.')) continue
      const path = relative === '' ? entry.name : `${relative}/${entry.name}`
      if (entry.isDirectory()) {
        if (depth < 1) await addFrom(path, depth + 1)
      } else {
        files.set(path, await nodeFileSource(join(folder, path), entry.name))
      }
    }
  }
  await addFrom('', 0)
  return files
}

function missing(name: string, path: string, cause: unknown): StudioError {
  return new StudioError(
    'file-missing',
    {
      title: `${name} is missing`,
      message: `${path} cannot be opened.`,
      remedy: 'Check the path and the permissions.',
      details: { path, cause: cause instanceof Error ? cause.message : String(cause) },
    },
    { cause },
  )
}
