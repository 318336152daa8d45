import type { MemoryFileStore } from '../io/memory-store.ts'
import { runFolder } from '../pipeline/journal.ts'

/** Every tensor that a run has stored: its path and its bytes as text, so that two runs are compared at once. */
export async function storedTensors(store: MemoryFileStore, planHash: string): Promise<string[]> {
  const texts: string[] = []
  for (const { path } of await store.list(`${runFolder(planHash)}/tensors`)) {
    const source = await store.open(path)
    texts.push(`${path} ${Buffer.from((await source?.read(0, source.sizeBytes)) ?? []).toString('base64')}`)
  }
  return texts
}
