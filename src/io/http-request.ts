import { type StudioError, throwIfAborted } from '../core/errors.ts'
import type { FileStore } from './file-store.ts'

/** How requests are made and what their faults are called: the part that a hub decides. */
export interface HttpAccess {
  readonly fetch: typeof globalThis.fetch
  /** Headers for an address; a token only where it may go. */
  headers(url: string): Readonly<Record<string, string>>
  /** The fault of an answer that is not 2xx. The body is not read. */
  refused(response: Response): StudioError
  /** The fault of a connection that failed or broke too often. */
  unreachable(cause: unknown): StudioError
  /** Waits before another try; rejects on abort. `reason` is a sentence for the person. */
  wait(milliseconds: number, reason: string, signal?: AbortSignal): Promise<void>
  /** Bytes as they arrive. */
  onBytes?(bytes: number): void
}

export interface HttpSourceOptions {
  readonly name: string
  readonly url: string
  readonly sizeBytes: number
  readonly contentId?: string
  readonly access: HttpAccess
  /** Where a large file goes when the server ignores ranges; `null`: such servers are refused then. */
  readonly spill: { readonly store: FileStore; readonly path: string } | null
  /** Told when the whole file is in `spill`, so that parts of it need no other cache. */
  readonly onSpilled?: () => void
}

/** Tries in a row without progress before giving up. */
export const maxTries = 5
/** A server that wants more patience than this is reported as busy instead. */
const maxRetryAfterMs = 120_000

/** A GET that is repeated while the connection fails or the server says 429 or 5xx; any other refusal is final. */
export async function request(url: string, init: RequestInit, access: HttpAccess, signal?: AbortSignal): Promise<Response> {
  for (let tries = 1; ; tries++) {
    throwIfAborted(signal)
    const outcome = await once(url, init, access, signal)
    if (outcome instanceof Response) return outcome
    if (tries >= maxTries || outcome.waitMs > maxRetryAfterMs) throw outcome.fault
    await access.wait(outcome.waitMs === 0 ? backoffMs(tries) : outcome.waitMs, `${outcome.fault.title}.`, signal)
  }
}

/** 0.5 s, 1 s, 2 s, 4 s. */
export function backoffMs(tries: number): number {
  return 500 * 2 ** (tries - 1)
}

interface Retry {
  readonly fault: StudioError
  /** 0 when the server did not say. */
  readonly waitMs: number
}

async function once(url: string, init: RequestInit, access: HttpAccess, signal?: AbortSignal): Promise<Response | Retry> {
  let response: Response
  try {
    const headers = new Headers({ ...access.headers(url) })
    for (const [key, value] of new Headers(init.headers)) headers.set(key, value)
    response = await access.fetch(url, { ...init, headers, signal: signal ?? null })
  } catch (cause) {
    throwIfAborted(signal)
    return { fault: access.unreachable(cause), waitMs: 0 }
  }
  if (response.ok) return response
  const fault = access.refused(response)
  await response.body?.cancel()
  if (response.status === 429 || response.status >= 500) return { fault, waitMs: retryAfterMs(response.headers.get('Retry-After')) }
  throw fault
}

/** Seconds or a date (RFC 9110, section 10.2.3); 0 when absent or unreadable. */
function retryAfterMs(value: string | null): number {
  if (value === null) return 0
  const seconds = Number(value)
  const milliseconds = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(value) - Date.now()
  return Number.isFinite(milliseconds) && milliseconds > 0 ? milliseconds : 0
}

/** The pieces of a body as they arrive; leaving the loop early ends the transfer. */
export async function* bodyChunks(response: Response): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
  const reader = response.body?.getReader()
  if (reader === undefined) return
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      yield value
    }
  } finally {
    // Rejects when the connection broke, which the loop has told already.
    await reader.cancel().catch(() => undefined)
  }
}
