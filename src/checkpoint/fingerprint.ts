import { createSHA256 } from 'hash-wasm'
import type { SafetensorsHeader } from '../formats/safetensors/header.ts'
import type { ByteSource } from '../io/byte-source.ts'

export interface HashedFile {
  readonly source: ByteSource
  readonly header: SafetensorsHeader
}

/** What of a file goes into the fingerprint. */
interface HashedParts {
  readonly source: ByteSource
  readonly header: Pick<SafetensorsHeader, 'bytes' | 'dataStart'>
}

/**
 * Samples of each file's weights that go into the fingerprint where the medium does not name its content. Two fine-tunes
 * of one model have equal headers and configs; taking up the run of one with the weights of the other would go unseen.
 * 64 places: a change in a tenth of the bytes (a merged adapter on q and v) goes unseen with probability 0.9^64 = 0.1 %.
 */
const samples = 64
const sampleBytes = 64

/** SHA-256 in hex over config.json as it is, every header, and the content id or samples of every file. */
export async function fingerprint(config: Uint8Array, files: readonly HashedParts[], signal?: AbortSignal): Promise<string> {
  const hash = await createSHA256()
  hash.init()
  hash.update(config)
  for (const { source, header } of files) {
    hash.update(header.bytes)
    if (source.contentId === undefined) await sampleInto(source, header.dataStart, (bytes) => hash.update(bytes), signal)
    else hash.update(source.contentId)
  }
  return hash.digest('hex')
}

async function sampleInto(source: ByteSource, dataStart: number, update: (bytes: Uint8Array) => void, signal?: AbortSignal): Promise<void> {
  const span = source.sizeBytes - dataStart
  for (let i = 0; i < samples && span > 0; i++) {
    const start = dataStart + Math.floor((span * i) / samples)
    update(await source.read(start, Math.min(source.sizeBytes, start + sampleBytes), signal))
  }
}
