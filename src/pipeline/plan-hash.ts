import { sha256 } from 'hash-wasm'
import { journalVersion } from './journal.ts'
import type { RunRequest } from './plan.ts'

/** Names a run in storage: the same model and request give the same hash, whatever the order of keys. */
export function planHash(fingerprint: string, request: RunRequest): Promise<string> {
  return sha256(JSON.stringify(canonical({ version: journalVersion, fingerprint, request })))
}

function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(entries.map(([key, inner]) => [key, canonical(inner)]))
}
