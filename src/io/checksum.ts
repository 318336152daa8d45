import { createXXHash64 } from 'hash-wasm'

/** One instance for all sums that are taken at once: nothing comes between its start and its end. */
let shared: ReturnType<typeof createXXHash64> | null = null

/** XXH64, hex, of parts one behind the other: finds bytes that changed on disk, not an adversary. */
export async function checksumOf(...parts: readonly Uint8Array[]): Promise<string> {
  shared ??= createXXHash64()
  const hash = await shared
  hash.init()
  for (const part of parts) hash.update(part)
  return hash.digest('hex')
}
