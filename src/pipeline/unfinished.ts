import type { FileStore } from '../io/file-store.ts'
import type { UnfinishedRun } from '../rpc/contract.ts'
import { loadJournal, runFolder } from './journal.ts'
import { loadResult } from './run-result.ts'

/** The last stopped run of a model that can go on, or `null`. */
export async function findUnfinished(store: FileStore, fingerprint: string): Promise<UnfinishedRun | null> {
  const files = await store.list('runs')
  const hashes = new Set(files.map(({ path }) => path.split('/')[1] ?? ''))
  let latest: UnfinishedRun | null = null
  for (const planHash of hashes) {
    const journal = await loadJournal(store, planHash)
    if (journal === null || journal === 'damaged' || journal.fingerprint !== fingerprint) continue
    if ((await loadResult(store, planHash)) !== null) continue
    if (latest !== null && latest.stoppedAt >= journal.savedAt) continue
    const own = files.filter(({ path }) => path.startsWith(`${runFolder(planHash)}/`))
    latest = {
      planHash,
      request: journal.request,
      blocksDone: journal.blocksDone,
      blocks: journal.blocks,
      storedBytes: own.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
      stoppedAt: journal.savedAt,
    }
  }
  return latest
}
