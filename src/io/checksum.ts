import { createXXHash64 } from 'hash-wasm'

/** One instance for all sums that are taken at once: nothing comes between its start and its end. */
let shared: ReturnType<typeof createXXHash64> | null = null

/** XXH64, hex: finds bytes that changed on disk, not an adversary. */
export async function checksumOf(bytes: Uint8Array): Promise<string> {
  shared ??= createXXHash64()
  const hash = await shared
  return hash.init().update(bytes).digest('hex')
}
