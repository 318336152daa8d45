import { StudioError } from '../core/errors.ts'

/** Throws `file-damaged` unless [start, end) lies inside a file of this size: whoever asked trusted an offset in the file. */
export function assertRange(name: string, sizeBytes: number, start: number, end: number): void {
  const isInside = Number.isSafeInteger(start) && Number.isSafeInteger(end) && start >= 0 && start <= end && end <= sizeBytes
  if (isInside) return
  throw new StudioError('file-damaged', {
    title: 'This file is damaged',
    message: `${name} points at bytes ${start} to ${end}, but it holds ${sizeBytes.toLocaleString('en-US')} bytes.`,
    remedy: 'Fetch the file again, or choose another one.',
    details: { file: name, sizeBytes, start, end },
  })
}
