import { StudioError, throwIfAborted } from '../core/errors.ts'
import type { ByteSink } from './byte-sink.ts'
import type { ByteSource } from './byte-source.ts'
import { backoffMs, bodyChunks, type HttpSourceOptions, maxTries, request } from './http-request.ts'
import { memorySource } from './memory-source.ts'
import { MemorySink } from './memory-store.ts'

/** A file of a server that ignores ranges is kept in memory up to here. */
const maxInMemoryBytes = 67_108_864

/** What an earlier session received; `null` when there is none, or the file is one that is kept in memory. */
export async function storedWhole({ sizeBytes, spill, onSpilled }: HttpSourceOptions): Promise<ByteSource | null> {
  if (spill === null || sizeBytes <= maxInMemoryBytes) return null
  const stored = await spill.store.open(spill.path).catch(() => null)
  if (stored?.sizeBytes !== sizeBytes) return null
  onSpilled?.()
  return stored
}

/**
 * The whole of a file whose server answered 200 to a question for a part: small ones into memory, others into the store.
 * `first` is that answer, on its way already; when it breaks off the file is asked for again. Throws `hub-unreachable`
 * when there is nowhere to put a large file.
 */
export async function receiveWhole(options: HttpSourceOptions, first: Response, signal?: AbortSignal): Promise<ByteSource> {
  const { name, url, access, sizeBytes, spill } = options
  if (sizeBytes > maxInMemoryBytes && spill === null) {
    await first.body?.cancel()
    throw new StudioError('hub-unreachable', {
      title: 'This server does not send parts of files',
      message: `Asked for a part of ${name}, the server began to send all ${sizeBytes.toLocaleString('en-US')} bytes.`,
      remedy: 'Choose another mirror, or download the files and drop them here.',
      details: { file: name, sizeBytes },
    })
  }
  let response = first
  for (let tries = 1; ; tries++) {
    const memory = new MemorySink()
    const isSmall = sizeBytes <= maxInMemoryBytes
    const sink = isSmall || spill === null ? memory : await spill.store.create(spill.path)
    const fault = await drain(response, sink, options)
    if (fault === null) {
      await sink.close()
      const stored = sink === memory ? memorySource(name, memory.bytes) : await spill?.store.open(spill.path)
      if (stored === null || stored === undefined) throw new TypeError('a stored file is gone')
      if (sink !== memory) options.onSpilled?.()
      return stored
    }
    await sink.abort()
    throwIfAborted(signal)
    if (fault instanceof StudioError) throw fault
    if (tries >= maxTries) throw access.unreachable(fault)
    await access.wait(backoffMs(tries), 'The connection broke.', signal)
    response = await request(url, {}, access, signal)
  }
}

/** Writes a body of exactly the file's size; returns what went wrong, `null` when nothing did. */
async function drain(response: Response, sink: ByteSink, { name, sizeBytes, access }: HttpSourceOptions): Promise<unknown> {
  let received = 0
  try {
    for await (const chunk of bodyChunks(response)) {
      received += chunk.length
      if (received > sizeBytes) return changedFile(name)
      access.onBytes?.(chunk.length)
      await sink.write(chunk)
    }
  } catch (error) {
    return error
  }
  return received === sizeBytes ? null : new Error(`${name} ended after ${received} of ${sizeBytes} bytes`)
}

/** The server sends something else than it listed: the file was replaced meanwhile. */
export function changedFile(name: string): StudioError {
  return new StudioError('file-damaged', {
    title: 'This file changed while it was read',
    message: `${name} is not the file any more that the server had listed.`,
    remedy: 'Open the model again.',
    details: { file: name },
  })
}
