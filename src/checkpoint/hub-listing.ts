import { datasetInfo, listFiles, modelInfo } from '@huggingface/hub'
import { isAbort, StudioError } from '../core/errors.ts'
import type { FileStore } from '../io/file-store.ts'
import { type HttpAccess, request } from '../io/http-request.ts'
import { readText } from '../io/read-text.ts'
import { type HubTarget, repoPath } from './hub-faults.ts'

/** The listing of a repository is kept for offline use; protects memory from a broken one. */
const maxListingBytes = 16_000_000
/** The largest text sets have some tens of thousands of files; the first of them hold more text than is ever read here. */
const maxListedFiles = 20_000

export interface ListedFile {
  readonly path: string
  readonly sizeBytes: number
  /** Hash of the content, as git or LFS knows it. */
  readonly oid: string
}

export interface Listing {
  readonly commit: string
  readonly files: readonly ListedFile[]
}

interface ListingContext {
  readonly access: HttpAccess
  readonly cache: FileStore | null
}

/** The listing from the hub, or the one kept from before when the hub cannot be reached. */
export async function knownListing(target: HubTarget, { access, cache }: ListingContext, signal?: AbortSignal): Promise<Listing> {
  const path = `listings/${repoPath(target)}/${target.revision.replaceAll('/', '--')}.json`
  try {
    const listing = await fetchListing(target, access, signal)
    if (cache !== null) await keepListing(cache, path, listing)
    return listing
  } catch (error) {
    const isOffline = error instanceof StudioError && error.code === 'hub-unreachable'
    const kept = isOffline && cache !== null ? await keptListing(cache, path) : null
    if (kept === null) throw error
    return kept
  }
}

async function fetchListing(target: HubTarget, access: HttpAccess, signal?: AbortSignal): Promise<Listing> {
  const { kind, repo, revision, endpoint } = target
  // The library builds addresses and reads answers; repeating, tokens and faults are those of `access`.
  const fetch: typeof globalThis.fetch = (input, init) => request(addressOf(input), init ?? {}, access, signal)
  const asked = { name: repo, revision, additionalFields: ['sha' as const], hubUrl: endpoint, fetch }
  try {
    const info = await (kind === 'dataset' ? datasetInfo(asked) : modelInfo(asked))
    const files: ListedFile[] = []
    // A model's files lie side by side; a set has a folder for each of its parts.
    const tree = { repo: { type: kind, name: repo }, revision: info.sha, recursive: kind === 'dataset', hubUrl: endpoint, fetch }
    for await (const entry of listFiles(tree)) {
      const oid = entry.lfs?.oid ?? entry.oid
      if (entry.type === 'file' && oid !== undefined) files.push({ path: entry.path, sizeBytes: entry.lfs?.size ?? entry.size, oid })
      if (files.length === maxListedFiles) break
    }
    return { commit: info.sha, files }
  } catch (error) {
    if (error instanceof StudioError || isAbort(error)) throw error
    throw access.unreachable(error) // an answer that is not the Hub's
  }
}

function addressOf(input: RequestInfo | URL): string {
  return typeof input === 'string' ? input : input instanceof URL ? input.href : input.url
}

async function keepListing(cache: FileStore, path: string, listing: Listing): Promise<void> {
  const sink = await cache.create(path).catch(() => null)
  try {
    await sink?.write(new TextEncoder().encode(JSON.stringify(listing)))
    await sink?.close()
  } catch {
    await sink?.abort() // it only serves offline use
  }
}

async function keptListing(cache: FileStore, path: string): Promise<Listing | null> {
  const file = await cache.open(path).catch(() => null)
  // Written by `keepListing`; a store holds whole files only.
  return file === null ? null : (JSON.parse(await readText(file, maxListingBytes)) as Listing)
}
