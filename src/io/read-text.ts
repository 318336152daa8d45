import { StudioError } from '../core/errors.ts'
import type { ByteSource } from './byte-source.ts'

/**
 * A whole small file as UTF-8. Throws `file-damaged` when it is larger than `limitBytes` (protects memory from a wrong
 * file under a known name) or not UTF-8.
 */
export async function readText(source: ByteSource, limitBytes: number, signal?: AbortSignal): Promise<string> {
  if (source.sizeBytes > limitBytes) {
    throw new StudioError('file-damaged', {
      title: 'This file is damaged',
      message: `${source.name} is ${source.sizeBytes.toLocaleString('en-US')} bytes long; at most ${limitBytes.toLocaleString('en-US')} are expected of a text file of this kind.`,
      remedy: 'Choose the file that belongs to the model.',
      details: { file: source.name, sizeBytes: source.sizeBytes, limitBytes },
    })
  }
  const bytes = await source.read(0, source.sizeBytes, signal)
  try {
    // A byte order mark is dropped by the decoder.
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new StudioError(
      'file-damaged',
      {
        title: 'This file is damaged',
        message: `${source.name} is not UTF-8 text.`,
        remedy: 'Fetch the file again; it was probably cut off or changed on the way.',
        details: { file: source.name, sizeBytes: source.sizeBytes },
      },
      { cause },
    )
  }
}
