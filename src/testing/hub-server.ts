import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join, relative } from 'node:path'
import { Readable } from 'node:stream'

/** Where a repository's files are: a folder, or bytes by name. */
export type RepoContent = string | ReadonlyMap<string, Uint8Array>

export interface HubRequestRecord {
  /** `hub`, or `storage` where redirects lead. */
  readonly host: 'hub' | 'storage'
  readonly method: string
  readonly path: string
  readonly range: string | null
  readonly hasToken: boolean
}

/** Switches; change them while the server runs. */
export interface HubBehaviour {
  /** Answer this many requests with this status before working again. */
  refuse: { status: number; times: number; host?: 'hub' | 'storage'; retryAfterSeconds?: number; errorCode?: string } | null
  /** Repositories that want `Authorization: Bearer <token>`; others get 401 or 403 as the Hub answers. */
  gated: ReadonlyMap<string, string>
  /** Break so many connections after this many bytes of a body of the storage host. */
  drop: { afterBytes: number; times: number } | null
  /** Answer 200 with the whole file to questions for a part. */
  ignoresRange: boolean
  /** Entries of a listing in one answer; the rest follows by its `Link` header, as the Hub does after 1,000. */
  listingPage: number
  /** Whether weights are redirected to the storage host, as the Hub does, or served by the hub itself. */
  redirects: boolean
}

export interface HubServer {
  /** `http://127.0.0.1:PORT`, for the endpoint setting. */
  readonly endpoint: string
  readonly storageOrigin: string
  readonly behaviour: HubBehaviour
  readonly requests: readonly HubRequestRecord[]
  close(): Promise<void>
}

/**
 * A stand-in for huggingface.co on two local ports: the paths, redirects to another host, ranges, headers and refusals
 * that the studio depends on (observed form: `/api/models/ID/revision/REV`, `/api/models/ID/tree/REV`,
 * `/ID/resolve/REV/FILE`, and the same with `datasets` for data sets). Answers carry CORS and CORP headers, since the page
 * is cross-origin isolated. Keys: `owner/name` a model, `datasets/owner/name` a data set, either with `@branch` for a branch
 * other than main.
 */
export async function startHubServer(repos: Readonly<Record<string, RepoContent>>): Promise<HubServer> {
  const behaviour: HubBehaviour = { refuse: null, gated: new Map(), drop: null, ignoresRange: false, listingPage: 1000, redirects: true }
  const requests: HubRequestRecord[] = []
  const stage: Stage = { repos, behaviour, endpoint: '', storageOrigin: '' }
  const serve = (host: 'hub' | 'storage', answer: (call: Call) => Promise<void>) =>
    listen((request, response) => {
      const url = new URL(request.url ?? '/', 'http://stand-in')
      for (const [key, value] of Object.entries(commonHeaders)) response.setHeader(key, value)
      if (request.method === 'OPTIONS') {
        response.writeHead(204).end()
        return
      }
      const range = request.headers.range ?? null
      const hasToken = request.headers.authorization !== undefined
      requests.push({ host, method: request.method ?? '', path: url.pathname, range, hasToken })
      if (refuses(behaviour, host, response)) return
      answer({ request, response, url, stage }).catch((error: unknown) => {
        if (!response.headersSent) response.writeHead(500)
        response.end(String(error))
      })
    })
  const hub = await serve('hub', answerHub)
  const storage = await serve('storage', answerStorage)
  stage.endpoint = originOf(hub)
  stage.storageOrigin = originOf(storage)
  return {
    endpoint: stage.endpoint,
    storageOrigin: stage.storageOrigin,
    behaviour,
    requests,
    close: async () => {
      await Promise.all([closed(hub), closed(storage)])
    },
  }
}

interface Stage {
  readonly repos: Readonly<Record<string, RepoContent>>
  readonly behaviour: HubBehaviour
  endpoint: string
  storageOrigin: string
}

interface Call {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly url: URL
  readonly stage: Stage
}

const exposed =
  'X-Repo-Commit,X-Request-Id,X-Error-Code,X-Error-Message,ETag,Link,Accept-Ranges,Content-Range,X-Linked-Size,X-Linked-ETag,Retry-After'

const commonHeaders = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Allow-Headers': 'Authorization, Range, Content-Type',
  'Access-Control-Allow-Methods': 'GET, HEAD, OPTIONS',
  'Access-Control-Expose-Headers': exposed,
  'Cross-Origin-Resource-Policy': 'cross-origin',
}

async function listen(onRequest: (request: IncomingMessage, response: ServerResponse) => void): Promise<Server> {
  const server = createServer(onRequest)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return server
}

function originOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function closed(server: Server): Promise<void> {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
}

function refuses(behaviour: HubBehaviour, host: 'hub' | 'storage', response: ServerResponse): boolean {
  const { refuse } = behaviour
  if (refuse === null || refuse.times <= 0 || (refuse.host ?? 'hub') !== host) return false
  refuse.times -= 1
  if (refuse.retryAfterSeconds !== undefined) response.setHeader('Retry-After', String(refuse.retryAfterSeconds))
  void fail(response, refuse.status, refuse.errorCode ?? '')
  return true
}

async function fail(response: ServerResponse, status: number, errorCode: string): Promise<void> {
  if (errorCode !== '') response.setHeader('X-Error-Code', errorCode)
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify({ error: errorCode || `status ${status}` }))
}

/** API and resolve addresses. */
async function answerHub(call: Call): Promise<void> {
  const { response, url, stage, request } = call
  const path = decodeURIComponent(url.pathname)
  const api = /^\/api\/(models|datasets)\/([^/]+\/[^/]+)\/(revision|tree)\/(.+?)\/?$/.exec(path)
  const resolve = /^\/((?:datasets\/)?[^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/.exec(path)
  const id = api === null ? (resolve?.[1] ?? '') : `${api[1] === 'datasets' ? 'datasets/' : ''}${api[2] ?? ''}`
  const revision = api?.[4] ?? resolve?.[2] ?? ''
  const branches = await branchesOf(stage, id)
  if (branches.length === 0) return fail(response, request.headers.authorization === undefined ? 401 : 404, 'RepoNotFound')
  const token = stage.behaviour.gated.get(id)
  // The Hub lists what is gated to everybody and refuses its files.
  if (token !== undefined && resolve !== null && request.headers.authorization !== `Bearer ${token}`) {
    return fail(response, request.headers.authorization === undefined ? 401 : 403, 'GatedRepo')
  }
  const found = branches.find(({ names }) => names.includes(revision))
  if (found === undefined) return fail(response, 404, 'RevisionNotFound')
  const { commit, files } = found
  response.setHeader('X-Repo-Commit', commit)
  if (api?.[3] === 'revision') {
    const info = {
      _id: commit.slice(0, 24),
      id,
      sha: commit,
      private: false,
      gated: token !== undefined,
      downloads: 0,
      likes: 0,
      lastModified: '2024-01-01T00:00:00.000Z',
    }
    return sendJson(response, info)
  }
  if (api !== null) return sendTree(call, files)
  const file = files.find(({ path }) => path === resolve?.[3])
  if (file === undefined) return fail(response, 404, 'EntryNotFound')
  response.setHeader('ETag', `"${file.oid}"`)
  if (!isLarge(file.path) || !stage.behaviour.redirects) return sendFile(call, file)
  response.setHeader('X-Linked-Size', String(file.sizeBytes))
  response.setHeader('X-Linked-ETag', `"${file.oid}"`)
  const location = `${stage.storageOrigin}/${file.oid}/${encodeURIComponent(file.path)}?Signature=stand-in`
  response.writeHead(302, { Location: location }).end()
}

interface Branch {
  /** What a request may call it: branch, `HEAD`, commit. */
  readonly names: readonly string[]
  readonly commit: string
  readonly files: readonly ListedFile[]
}

async function branchesOf({ repos }: Stage, id: string): Promise<readonly Branch[]> {
  const mine = Object.entries(repos).filter(([key]) => key === id || key.startsWith(`${id}@`))
  return Promise.all(
    mine.map(async ([key, content]) => {
      const files = await listContent(content)
      const commit = sha('sha1', key + files.map(({ path, oid }) => path + oid).join('\n'))
      return { names: key === id ? ['main', 'HEAD', commit] : [key.slice(id.length + 1), commit], commit, files }
    }),
  )
}

/** A listing, page by page. Without `recursive`, folders stand for what is in them. */
async function sendTree({ response, url, stage }: Call, files: readonly ListedFile[]): Promise<void> {
  const isRecursive = url.searchParams.get('recursive') === 'true'
  const folders = new Set(files.flatMap(({ path }) => (path.includes('/') ? [path.slice(0, path.indexOf('/'))] : [])))
  const entries = isRecursive
    ? files.map(treeEntry)
    : [
        ...[...folders].map((path) => ({ type: 'directory', path, size: 0, oid: sha('sha1', path) })),
        ...files.filter(({ path }) => !path.includes('/')).map(treeEntry),
      ]
  const from = Number(url.searchParams.get('cursor') ?? 0)
  const end = from + stage.behaviour.listingPage
  if (end < entries.length) {
    const next = new URL(url.pathname + url.search, stage.endpoint)
    next.searchParams.set('cursor', String(end))
    response.setHeader('Link', `<${next.href}>; rel="next"`)
  }
  await sendJson(response, entries.slice(from, end))
}

/** Signed links of large files. */
async function answerStorage(call: Call): Promise<void> {
  const [, oid] = /^\/([^/]+)\/[^/]+$/.exec(call.url.pathname) ?? []
  const listed = await Promise.all(Object.values(call.stage.repos).map(listContent))
  const file = listed.flat().find((one) => one.oid === oid)
  if (file === undefined) return fail(call.response, 404, '')
  await sendFile(call, file)
}

interface ListedFile {
  readonly path: string
  readonly sizeBytes: number
  readonly oid: string
  /** Body of [start, end). */
  body(start: number, end: number): Readable
}

function isLarge(path: string): boolean {
  return path.endsWith('.safetensors') || path.endsWith('.parquet')
}

async function listContent(content: RepoContent): Promise<readonly ListedFile[]> {
  if (typeof content !== 'string') {
    return [...content].map(([path, bytes]) => ({
      path,
      sizeBytes: bytes.length,
      oid: sha('sha256', bytes),
      body: (start, end) => Readable.from([Buffer.from(bytes.subarray(start, end))]),
    }))
  }
  const entries = await readdir(content, { withFileTypes: true, recursive: true })
  const names = entries.filter((entry) => !entry.isDirectory()).map((entry) => relative(content, join(entry.parentPath, entry.name)))
  return Promise.all(
    names.sort().map(async (path) => {
      const full = join(content, path)
      const { size, mtimeMs } = await stat(full)
      // Stands for the content without reading gigabytes of it.
      const oid = sha('sha256', `${full}:${size}:${mtimeMs}`)
      return {
        path,
        sizeBytes: size,
        oid,
        body: (start, end) => (start === end ? Readable.from([]) : createReadStream(full, { start, end: end - 1 })),
      }
    }),
  )
}

function treeEntry({ path, sizeBytes, oid }: ListedFile): unknown {
  if (!isLarge(path)) return { type: 'file', path, size: sizeBytes, oid: oid.slice(0, 40) }
  return { type: 'file', path, size: sizeBytes, oid: oid.slice(0, 40), lfs: { oid, size: sizeBytes, pointerSize: 134 } }
}

async function sendJson(response: ServerResponse, value: unknown): Promise<void> {
  response.writeHead(200, { 'Content-Type': 'application/json; charset=utf-8' }).end(JSON.stringify(value))
}

async function sendFile({ request, response, stage }: Call, file: ListedFile): Promise<void> {
  const { behaviour } = stage
  const asked = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '')
  const isPart = asked !== null && !behaviour.ignoresRange
  const start = isPart ? Number(asked[1]) : 0
  const end = isPart && asked[2] !== '' ? Math.min(file.sizeBytes, Number(asked[2]) + 1) : file.sizeBytes
  if (start >= file.sizeBytes && file.sizeBytes > 0) return fail(response, 416, '')
  if (!behaviour.ignoresRange) response.setHeader('Accept-Ranges', 'bytes')
  response.setHeader('Content-Length', end - start)
  response.setHeader('Content-Type', 'application/octet-stream')
  if (isPart) response.setHeader('Content-Range', `bytes ${start}-${end - 1}/${file.sizeBytes}`)
  response.writeHead(isPart ? 206 : 200)
  if (request.method === 'HEAD') {
    response.end()
    return
  }
  const { drop } = behaviour
  const breaks = drop !== null && drop.times > 0 && end - start > drop.afterBytes
  if (breaks) drop.times -= 1
  for await (const chunk of file.body(start, breaks ? start + drop.afterBytes : end)) {
    if (!response.write(chunk)) await new Promise((resolve) => response.once('drain', resolve).once('close', resolve))
    if (response.destroyed) return
  }
  if (breaks) await new Promise((resolve) => setTimeout(resolve, 20)).then(() => response.destroy())
  else response.end()
}

function sha(kind: 'sha1' | 'sha256', of: string | Uint8Array): string {
  return createHash(kind).update(of).digest('hex')
}
