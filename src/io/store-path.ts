import { StudioError } from '../core/errors.ts'

/** Where a sink writes until it is closed; stores never list it, so a crash leaves nothing that looks whole. */
export const partialSuffix = '.partial'

/**
 * The folders and the name of a store path. Throws `storage-fault` for paths that could leave the store or that a file
 * system would refuse: names come from checkpoints and hubs.
 */
export function splitStorePath(path: string): readonly string[] {
  const parts = path.split('/')
  const isSound = parts.every(
    (part) => part !== '' && part !== '.' && part !== '..' && part.length <= 200 && !part.includes('\\') && !part.includes('\0'),
  )
  if (isSound && !path.endsWith(partialSuffix)) return parts
  throw new StudioError('storage-fault', {
    title: 'The storage refused a file name',
    message: `"${path}" cannot be a file inside the storage.`,
    remedy: 'Rename the file or the recipe it comes from.',
    details: { path },
  })
}

/** A fault of the medium as `storage-full` or `storage-fault`. */
export function storageError(action: string, path: string, cause: unknown): StudioError {
  if (cause instanceof StudioError) return cause
  const name = cause instanceof Error ? cause.name : ''
  const code = typeof cause === 'object' && cause !== null && 'code' in cause ? cause.code : ''
  const isFull = name === 'QuotaExceededError' || code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG'
  const details = { path, cause: cause instanceof Error ? cause.message : String(cause) }
  if (isFull) return storageFull(path, details)
  return new StudioError(
    'storage-fault',
    {
      title: 'The storage did not answer as expected',
      message: `${action} ${path} failed.`,
      remedy: 'Finished work is kept. Try again; if it fails again, clear the storage or choose another place.',
      details,
    },
    { cause },
  )
}

export function storageFull(path: string, details: Readonly<Record<string, string | number | boolean>> = {}): StudioError {
  return new StudioError('storage-full', {
    title: 'The storage is full',
    message: `There is no room left to write ${path}.`,
    remedy: 'What is finished is kept. Clear old runs or free space, then go on.',
    details: { path, ...details },
  })
}
