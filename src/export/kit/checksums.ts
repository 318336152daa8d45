import { StudioError } from '../../core/errors.ts'
import { proofFailed } from '../proof.ts'
import type { ExportDestination, WrittenFile } from '../write-export.ts'
import { checksumFile } from './kit.ts'

/**
 * Writes `SHA256SUMS` for files that are written and proved, and reads it back. On a fault every file is removed, as `writeExport`
 * does. Throws `StudioError` `proof-failed`, `storage-full`, `storage-fault`.
 */
export async function writeChecksums(place: ExportDestination, files: readonly WrittenFile[]): Promise<WrittenFile> {
  const bytes = new TextEncoder().encode(files.map(({ sha256, path }) => `${sha256}  ${path}\n`).join(''))
  try {
    const sink = await place.createSink(checksumFile)
    try {
      await sink.write(bytes)
      await sink.close()
    } catch (error) {
      await sink.abort()
      throw error
    }
    const written = await place.openWritten(checksumFile)
    const found = await written.read(0, written.sizeBytes)
    if (found.length !== bytes.length || found.some((byte, index) => byte !== bytes[index])) {
      throw proofFailed(`The file ${checksumFile}`, 'differs after reading back')
    }
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
    return { path: checksumFile, bytes: bytes.length, sha256: [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('') }
  } catch (error) {
    for (const path of [checksumFile, ...files.map((file) => file.path)]) await place.removeWritten(path).catch(() => undefined)
    throw error instanceof StudioError
      ? error
      : new StudioError('storage-fault', {
          title: 'The checksums could not be written',
          message: error instanceof Error ? error.message : String(error),
          remedy: 'Write it again; if it happens twice, choose another place.',
        })
  }
}
