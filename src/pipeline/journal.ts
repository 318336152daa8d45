import type { LayerResult } from '../evaluation/result.ts'
import { checksumOf } from '../io/checksum.ts'
import type { FileStore } from '../io/file-store.ts'
import type { BlockActivationModes } from '../runtime/graphs/activations.ts'
import type { RunRequest } from './plan.ts'
import { isUnchanged, type RunFile, readJson, writeJson } from './run-files.ts'
import type { StoredTensor } from './stored-tensor.ts'

/** Raised when what is stored means something else than before: an older journal is then not resumed. */
export const journalVersion = 7

/** What one recipe left behind in one block (or in the embedding, or in the head). */
export interface StoredPart {
  readonly recipeId: string
  readonly layers: readonly LayerResult[]
  readonly tensors: readonly StoredTensor[]
  readonly seconds: number
  /** How the recipe's transform has the inputs of a block's linears rounded, by role; absent where it does not. */
  readonly inputModes?: BlockActivationModes
}

/** SUM of x^2 of each input column of a block's taps, f32 as base64 by tap name: what storage keeps of a block's G. */
export type StoredSquares = Readonly<Record<string, string>>

/** One finished block. */
export interface StoredBlock {
  readonly forwardBackend: string
  readonly kernelBackend: string
  readonly parts: readonly StoredPart[]
  /** Squares of the float model's inputs over the calibration text; `null` without one, and of the embedding. */
  readonly squares: StoredSquares | null
}

/** Everything needed to go on after the last finished block. */
export interface Journal {
  readonly version: number
  readonly planHash: string
  readonly modelName: string
  readonly fingerprint: string
  readonly request: RunRequest
  readonly blocks: number
  readonly blocksDone: number
  readonly secondsSoFar: number
  readonly savedAt: string
  /** Hidden states after the last finished block: float first, then the recipes in order. */
  readonly streams: readonly RunFile[]
  /** `StoredBlock` files: the embedding first, then the finished blocks. */
  readonly parts: readonly RunFile[]
}

export const runFolder = (planHash: string): string => `runs/${planHash}`
const journalPath = (planHash: string): string => `${runFolder(planHash)}/journal.json`

/** Durable when it returns; the old journal stays until then. */
export async function saveJournal(store: FileStore, journal: Journal): Promise<void> {
  const text = JSON.stringify(journal)
  await writeJson(store, journalPath(journal.planHash), { checksum: await checksumOf(new TextEncoder().encode(text)), journal: text })
}

/** `null` when there is none; `damaged` when there is one that cannot be trusted. */
export async function loadJournal(store: FileStore, planHash: string): Promise<Journal | 'damaged' | null> {
  const path = journalPath(planHash)
  if ((await store.open(path)) === null) return null
  const file = await readJson(store, path)
  if (!isEnvelope(file) || (await checksumOf(new TextEncoder().encode(file.journal))) !== file.checksum) return 'damaged'
  // The checksum proves that this text is what `saveJournal` wrote.
  const journal = JSON.parse(file.journal) as Journal
  return journal.version === journalVersion && journal.planHash === planHash ? journal : 'damaged'
}

/** The stored blocks of a journal, or `null` when a file of it changed or is gone. */
export async function loadParts(store: FileStore, journal: Journal, signal: AbortSignal): Promise<StoredBlock[] | null> {
  const blocks: StoredBlock[] = []
  for (const file of journal.parts) {
    if (!(await isUnchanged(store, file, signal))) return null
    blocks.push((await readJson(store, file.path)) as StoredBlock)
  }
  return blocks
}

/** Whether the hidden states of a journal are as they were written. */
export async function areStreamsUnchanged(store: FileStore, journal: Journal, signal: AbortSignal): Promise<boolean> {
  for (const file of journal.streams) if (!(await isUnchanged(store, file, signal))) return false
  return true
}

function isEnvelope(value: unknown): value is { readonly checksum: string; readonly journal: string } {
  return (
    typeof value === 'object' &&
    value !== null &&
    'checksum' in value &&
    typeof value.checksum === 'string' &&
    'journal' in value &&
    typeof value.journal === 'string'
  )
}
