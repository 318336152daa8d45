import { StudioError, throwIfAborted } from '../core/errors.ts'
import type { ByteSource } from '../io/byte-source.ts'
import { type CacheBudget, cachedSource, createCacheBudget } from '../io/cached-source.ts'
import type { FileStore } from '../io/file-store.ts'
import type { HttpAccess } from '../io/http-request.ts'
import { httpSource } from '../io/http-source.ts'
import { type HubTarget, type RepoKind, refusal, repoPath, unreachable } from './hub-faults.ts'
import { knownListing, type ListedFile } from './hub-listing.ts'

/** The endpoint when the settings name no mirror. */
export const defaultHubEndpoint = 'https://huggingface.co'

/** What the cache may hold by default: two models of 7 billion parameters in bf16. The browser's quota ends it earlier. */
const defaultCacheBytes = 32_000_000_000

export interface HubOpenRequest {
  /** Default a model. */
  readonly kind?: RepoKind
  /** `owner/name` or `owner/name@revision`; the address of its page also works. */
  readonly id: string
  /** Sent to the endpoint's host only, never stored. */
  readonly accessToken: string | null
  /** `https://huggingface.co` or a mirror. */
  readonly endpoint: string
  /** Keeps fetched ranges; `null` keeps nothing. `estimate` says its size, `delete('')` empties it. */
  readonly cache: FileStore | null
  /** Default `defaultCacheBytes`. */
  readonly cacheLimitBytes?: number
  /** Default the global one. */
  readonly fetch?: typeof globalThis.fetch
  /** Waits between tries. Default a timer. */
  readonly wait?: (milliseconds: number, signal?: AbortSignal) => Promise<void>
}

/** Told for as long as the files are read, not only while opening. */
export type HubProgress =
  | { readonly kind: 'received'; readonly bytes: number; readonly totalBytes: number }
  /** Another try follows after this time. */
  | { readonly kind: 'waiting'; readonly seconds: number; readonly reason: string }

export interface HubFiles {
  /** `owner/name`, with `@revision` when one was asked for. */
  readonly name: string
  /** Commit the files are of. */
  readonly commit: string
  /** Nothing is fetched until it is read. */
  readonly files: ReadonlyMap<string, ByteSource>
}

/**
 * Lists a model or data set of the Hub; its files become sources that fetch ranges. Throws `usage` for a malformed id,
 * `hub-not-found`, `hub-forbidden`, `hub-busy`, `hub-unreachable`, `aborted`; reading throws the same. What was opened before
 * opens again without a connection as far as its ranges are cached.
 */
export async function openHubFiles(
  { fetch = (...call: Parameters<typeof globalThis.fetch>) => globalThis.fetch(...call), ...options }: HubOpenRequest,
  onProgress: (progress: HubProgress) => void,
  signal?: AbortSignal,
): Promise<HubFiles> {
  const { kind = 'model' } = options
  const { repo, revision } = parseHubId(options.id, kind)
  const endpoint = checkedEndpoint(options.endpoint, options.accessToken !== null)
  const target: HubTarget = { kind, repo, revision: revision ?? 'main', hasToken: options.accessToken !== null, endpoint }
  const access = hubAccess(target, { ...options, fetch }, onProgress)
  const listing = await knownListing(target, { access, cache: options.cache }, signal)
  const { cache } = options
  const budget = cache === null ? null : await createCacheBudget(cache, options.cacheLimitBytes ?? defaultCacheBytes)
  const files = listing.files.map((file) => [file.path, hubFile(file, { target, commit: listing.commit, access, cache, budget })] as const)
  return { name: revision === null ? repo : `${repo}@${revision}`, commit: listing.commit, files: new Map(files) }
}

/** The endpoint without a slash at its end. Throws `usage` for what is no address, and where a token would travel in the clear. */
function checkedEndpoint(endpoint: string, hasToken: boolean): string {
  const url = URL.canParse(endpoint.trim()) ? new URL(endpoint.trim()) : null
  if (url === null || !['http:', 'https:'].includes(url.protocol)) {
    throw new StudioError('usage', {
      title: 'This is not the address of a Hub',
      message: `"${endpoint}" is not an address that begins with https://.`,
      remedy: `Correct the Hub mirror in Settings; the usual address is ${defaultHubEndpoint}.`,
      details: { endpoint },
    })
  }
  const isOwnMachine = ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname)
  if (hasToken && url.protocol === 'http:' && !isOwnMachine) {
    throw new StudioError('usage', {
      title: 'The token was not sent',
      message: `${url.host} is asked over http, where others on the way could read the token.`,
      remedy: 'Use the https:// address of the mirror, or go on without a token.',
      details: { endpoint },
    })
  }
  return url.href.replace(/\/+$/, '')
}

/** Splits an id. Throws `usage` when it is none. */
export function parseHubId(id: string, kind: RepoKind = 'model'): { readonly repo: string; readonly revision: string | null } {
  const page = id.trim().replace(/^https?:\/\/[^/]+\//, '')
  const path = kind === 'dataset' ? page.replace(/^datasets\//, '') : page
  const match = /^([\w.-]+\/[\w.-]+?)(?:(?:@|\/tree\/)([\w./-]+))?\/?$/.exec(path)
  const [, repo, revision] = match ?? []
  if (repo !== undefined && !path.includes('..')) return { repo, revision: revision ?? null }
  throw new StudioError('usage', {
    title: kind === 'dataset' ? 'This is not the name of a data set' : 'This is not the name of a model',
    message: `"${id}" is not of the form owner/name or owner/name@revision.`,
    remedy:
      kind === 'dataset'
        ? 'Copy the name from the top of its page, for example Salesforce/wikitext.'
        : 'Copy the name from the top of the model page, for example HuggingFaceTB/SmolLM2-135M.',
    details: { id },
  })
}

function hubAccess(
  target: HubTarget,
  { accessToken, fetch, wait = timer }: Pick<HubOpenRequest, 'accessToken' | 'wait'> & { readonly fetch: typeof globalThis.fetch },
  onProgress: (progress: HubProgress) => void,
): HttpAccess {
  const origin = new URL(target.endpoint).origin
  let totalBytes = 0
  return {
    fetch,
    // Redirects to other origins lose the header by themselves (Fetch standard, "HTTP-redirect fetch", step 13).
    headers: (url) => (accessToken !== null && new URL(url).origin === origin ? { Authorization: `Bearer ${accessToken}` } : {}),
    refused: (response) => refusal(response, target),
    unreachable: (cause) => unreachable(cause, target),
    wait: async (milliseconds, reason, signal) => {
      onProgress({ kind: 'waiting', seconds: Math.ceil(milliseconds / 1000), reason })
      await wait(milliseconds, signal)
      throwIfAborted(signal)
    },
    onBytes: (bytes) => {
      totalBytes += bytes
      onProgress({ kind: 'received', bytes, totalBytes })
    },
  }
}

async function timer(milliseconds: number, signal?: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = () => {
      clearTimeout(id)
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const id = setTimeout(done, milliseconds)
    signal?.addEventListener('abort', done)
  })
}

interface FileContext {
  readonly target: HubTarget
  /** Commit the files are of. */
  readonly commit: string
  readonly access: HttpAccess
  readonly cache: FileStore | null
  readonly budget: CacheBudget | null
}

function hubFile({ path, sizeBytes, oid }: ListedFile, { target, commit, access, cache, budget }: FileContext): ByteSource {
  const address = path.split('/').map(encodeURIComponent).join('/')
  const url = `${target.endpoint}/${repoPath(target)}/resolve/${commit}/${address}`
  const contentId = /^[\w-]{8,128}$/.test(oid) ? oid : encodeURIComponent(oid).slice(0, 128)
  const spill = cache === null ? null : { store: cache, path: `whole/${contentId}` }
  let isLocal = false
  const onSpilled = () => {
    isLocal = true
  }
  const remote = httpSource({ name: path, url, sizeBytes, contentId, access, spill, onSpilled })
  // By content, not by name: revisions share what did not change.
  if (cache === null || budget === null) return remote
  const folder = `pieces/${contentId}`
  return cachedSource(remote, { store: cache, folder, budget, keeps: () => !isLocal, pieceBytes: pieceBytesOf(sizeBytes) })
}

/** 1 MiB, so that a header is one small request; 4 MiB for large files, so that a cache of many gigabytes has few files. */
function pieceBytesOf(sizeBytes: number): number {
  return sizeBytes <= 536_870_912 ? 1_048_576 : 4_194_304
}
