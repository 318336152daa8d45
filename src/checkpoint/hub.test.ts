import { createHash } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { StudioError } from '../core/errors.ts'
import type { FileStore } from '../io/file-store.ts'
import { MemoryFileStore } from '../io/memory-store.ts'
import { faultOf } from '../testing/fault-of.ts'
import { type HubServer, startHubServer } from '../testing/hub-server.ts'
import { asSources, tinyModelFiles } from '../testing/tiny-model.ts'
import { type HubProgress, openHubFiles, parseHubId } from './hub.ts'
import { openCheckpoint } from './open.ts'

let hub: HubServer
const model = tinyModelFiles({ shards: 2, config: { num_hidden_layers: 6, hidden_size: 64 } })
const shard = 'model-00001-of-00002.safetensors'
const shardBytes = model.get(shard) ?? new Uint8Array()
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const shardHash = sha256(shardBytes)

beforeEach(async () => {
  hub = await startHubServer({ 'owner/tiny': model })
})
afterEach(async () => {
  await hub.close()
})

interface Settings {
  readonly id?: string
  readonly accessToken?: string | null
  readonly cache?: FileStore | null
  readonly endpoint?: string
  readonly signal?: AbortSignal
}

/** Opens the listing; waits between tries are recorded, not waited for. */
async function list({ id = 'owner/tiny', accessToken = null, cache = null, endpoint = hub.endpoint, signal }: Settings = {}) {
  const progress: HubProgress[] = []
  const waits: number[] = []
  const wait = async (milliseconds: number) => void waits.push(milliseconds)
  const opened = await openHubFiles({ id, accessToken, endpoint, cache, wait }, (told) => progress.push(told), signal)
  return { ...opened, progress, waits }
}

/** Opens and reads one shard. */
async function readShard(settings: Settings = {}): Promise<{ bytes: Uint8Array; waits: number[]; progress: HubProgress[] }> {
  const { files, waits, progress } = await list(settings)
  const source = files.get(shard)
  if (source === undefined) throw new Error('the shard is not listed')
  return { bytes: await source.read(0, source.sizeBytes, settings.signal), waits, progress }
}

function requestsTo(host: 'hub' | 'storage') {
  return hub.requests.filter((request) => request.host === host)
}

describe('ids', () => {
  it.each([
    ['owner/name', 'owner/name', null],
    [' owner/na-me_1.5@v1.0 ', 'owner/na-me_1.5', 'v1.0'],
    ['owner/name@refs/pr/3', 'owner/name', 'refs/pr/3'],
    ['https://huggingface.co/owner/name', 'owner/name', null],
    ['https://huggingface.co/owner/name/tree/dev', 'owner/name', 'dev'],
  ])('%s', (id, repo, revision) => expect(parseHubId(id)).toEqual({ repo, revision }))

  it.each(['', 'name', 'a/b/c', 'a b/c', '../x', 'owner/..', 'owner/name@'])('%j is none', async (id) => {
    expect((await faultOf(async () => parseHubId(id))).code).toBe('usage')
  })
})

describe('a model of the hub', () => {
  it('opens by headers alone and reads what the files hold', async () => {
    const { files, name } = await list()
    const checkpoint = await openCheckpoint({ name, originKind: 'hub', files })
    expect(checkpoint.graph.config.layers).toBe(6)
    const total = [...model.values()].reduce((sum, bytes) => sum + bytes.length, 0)
    const ranges = requestsTo('storage').map(({ range }) => /bytes=(\d+)-(\d+)/.exec(range ?? ''))
    const weightBytes = ranges.reduce((sum, match) => sum + Number(match?.[2]) + 1 - Number(match?.[1]), 0)
    expect(ranges).toHaveLength(4) // length and header of two shards
    expect(weightBytes).toBeLessThan(total / 20)
    const local = await openCheckpoint({ name, originKind: 'files', files: asSources(model) })
    const tensor = 'model.layers.5.mlp.up_proj.weight'
    expect(sha256(await checkpoint.readRaw(tensor))).toBe(sha256(await local.readRaw(tensor)))
  })

  it('knows revisions and pins files to the commit', async () => {
    const { commit, name } = await list({ id: 'owner/tiny@main' })
    expect(name).toBe('owner/tiny@main')
    const { files } = await list({ id: `owner/tiny@${commit}` })
    await files.get('config.json')?.read(0, 2)
    expect(hub.requests.at(-1)?.path).toBe(`/owner/tiny/resolve/${commit}/config.json`)
  })

  it('asks the storage host directly after the first redirect', async () => {
    const { files } = await list()
    for (let i = 0; i < 3; i++) await files.get(shard)?.read(i * 10, i * 10 + 10)
    expect(requestsTo('hub').filter(({ path }) => path.endsWith(shard))).toHaveLength(1)
    expect(requestsTo('storage')).toHaveLength(3)
  })

  it('asks the hub again when a signed link has expired', async () => {
    const { files } = await list()
    await files.get(shard)?.read(0, 10)
    hub.behaviour.refuse = { status: 403, times: 1, host: 'storage' }
    expect(await files.get(shard)?.read(10, 20)).toEqual(shardBytes.slice(10, 20))
    expect(requestsTo('hub').filter(({ path }) => path.endsWith(shard))).toHaveLength(2)
  })
})

describe('tokens', () => {
  it('go to the endpoint only, never to where it redirects', async () => {
    hub.behaviour.gated = new Map([['owner/tiny', 'secret']])
    expect(sha256((await readShard({ accessToken: 'secret' })).bytes)).toBe(shardHash)
    expect(requestsTo('hub').every(({ hasToken }) => hasToken)).toBe(true)
    expect(requestsTo('storage').length).toBeGreaterThan(0)
    expect(requestsTo('storage').some(({ hasToken }) => hasToken)).toBe(false)
  })

  it('are asked for when a model is gated, and their refusal is told apart', async () => {
    hub.behaviour.gated = new Map([['owner/tiny', 'secret']])
    const without = await faultOf(() => readShard())
    expect(without).toMatchObject({ code: 'hub-forbidden', title: 'This model asks for permission' })
    expect(without.remedy).toContain('give a read token')
    const wrong = await faultOf(() => readShard({ accessToken: 'token-of-another' }))
    expect(wrong).toMatchObject({ code: 'hub-forbidden', title: 'This model asks for permission' })
    expect(wrong.remedy).toContain('with the account of this token')
    expect(JSON.stringify([wrong.title, wrong.message, wrong.remedy, wrong.details])).not.toContain('token-of-another')
  })
})

describe('endpoints', () => {
  it.each(['', 'huggingface.co', 'ftp://x'])('%j is none', async (endpoint) => {
    expect(await faultOf(() => list({ endpoint }))).toMatchObject({ code: 'usage', title: 'This is not the address of a Hub' })
  })

  it('in the clear get no token', async () => {
    const fault = await faultOf(() => list({ endpoint: 'http://mirror.test', accessToken: 'secret' }))
    expect(fault).toMatchObject({ code: 'usage', title: 'The token was not sent' })
  })

  it('may end in a slash', async () => {
    expect((await list({ endpoint: `${hub.endpoint}/` })).files.size).toBe(model.size)
  })
})

describe('refusals', () => {
  it('name what to do', async () => {
    expect(await faultOf(() => list({ id: 'owner/none' }))).toMatchObject({ code: 'hub-not-found', title: 'No such model' })
    expect(await faultOf(() => list({ id: 'owner/tiny@never' }))).toMatchObject({ code: 'hub-not-found', title: 'No such revision' })
    hub.behaviour.refuse = { status: 401, times: 1 }
    expect(await faultOf(() => list({ accessToken: 'old' }))).toMatchObject({
      code: 'hub-forbidden',
      title: 'The Hub does not accept this token',
    })
    hub.behaviour.refuse = { status: 404, times: 1, errorCode: 'EntryNotFound' }
    expect(await faultOf(() => list())).toMatchObject({ code: 'hub-not-found', title: 'No such file on the Hub' })
    hub.behaviour.refuse = { status: 418, times: 1 }
    expect(await faultOf(() => list())).toMatchObject({
      code: 'hub-unreachable',
      message: expect.stringContaining('answered 418') as string,
    })
  })

  it('429 waits as long as it asks, then goes on', async () => {
    hub.behaviour.refuse = { status: 429, times: 2, retryAfterSeconds: 40 }
    const { waits, progress } = await list()
    expect(waits).toEqual([40_000, 40_000])
    expect(progress[0]).toEqual({ kind: 'waiting', seconds: 40, reason: 'The Hub asks to wait.' })
  })

  it('429 without end, or with a long wait, is told', async () => {
    hub.behaviour.refuse = { status: 429, times: 100 }
    expect(await faultOf(() => list())).toMatchObject({ code: 'hub-busy', title: 'The Hub asks to wait' })
    expect(hub.requests).toHaveLength(5)
    hub.behaviour.refuse = { status: 429, times: 1, retryAfterSeconds: 3600 }
    expect((await faultOf(() => list())).code).toBe('hub-busy')
  })

  it('5xx is tried again with growing pauses', async () => {
    hub.behaviour.refuse = { status: 503, times: 3 }
    expect((await list()).waits).toEqual([500, 1000, 2000])
  })

  it('a host that does not answer is told, after five tries', async () => {
    const { endpoint } = hub
    await hub.close()
    const fault: StudioError = await faultOf(() => list({ endpoint }))
    expect(fault).toMatchObject({ code: 'hub-unreachable', title: 'The Hub cannot be reached' })
    hub = await startHubServer({})
  })

  it('an answer that is not of a hub is told', async () => {
    const fault = await faultOf(() =>
      openHubFiles(
        { id: 'a/b', accessToken: null, endpoint: 'http://mirror.test', cache: null, fetch: async () => new Response('<html>') },
        () => undefined,
      ),
    )
    expect(fault.code).toBe('hub-unreachable')
  })
})

describe('broken connections', () => {
  it('go on where they broke', async () => {
    hub.behaviour.drop = { afterBytes: 20_000, times: 3 }
    const { bytes } = await readShard()
    expect(sha256(bytes)).toBe(shardHash)
    const starts = requestsTo('storage').map(({ range }) => Number(/bytes=(\d+)/.exec(range ?? '')?.[1]))
    expect(starts).toEqual([0, 20_000, 40_000, 60_000])
  })

  it('are given up when they bring nothing any more', async () => {
    hub.behaviour.drop = { afterBytes: 0, times: 100 }
    expect((await faultOf(() => readShard())).code).toBe('hub-unreachable')
  })

  it('end at once when the person stops', async () => {
    const stop = new AbortController()
    hub.behaviour.drop = { afterBytes: 0, times: 100 }
    const fault = await faultOf(async () => {
      const { files } = await list()
      const reading = files.get(shard)?.read(0, 100, stop.signal)
      stop.abort()
      await reading
    })
    expect(fault.code).toBe('aborted')
  })
})

describe('servers that ignore ranges', () => {
  it('are read once, from front to back', async () => {
    hub.behaviour.ignoresRange = true
    const { files } = await list()
    for (const start of [0, 100, 50_000])
      expect(await files.get(shard)?.read(start, start + 10)).toEqual(shardBytes.slice(start, start + 10))
    expect(requestsTo('storage')).toHaveLength(1)
  })

  it('are read again when the connection breaks', async () => {
    hub.behaviour.ignoresRange = true
    hub.behaviour.drop = { afterBytes: 20_000, times: 2 }
    expect(sha256((await readShard()).bytes)).toBe(shardHash)
    expect(requestsTo('storage')).toHaveLength(3)
  })
})

describe('the cache', () => {
  it('answers a second opening without fetching weights, and without a connection', async () => {
    const cache = new MemoryFileStore()
    await readShard({ cache })
    const before = requestsTo('storage').length
    expect(sha256((await readShard({ cache })).bytes)).toBe(shardHash)
    expect(requestsTo('storage')).toHaveLength(before)
    expect((await cache.estimate()).usedBytes).toBeGreaterThan(shardBytes.length)
    const { endpoint } = hub
    await hub.close()
    expect(sha256((await readShard({ cache, endpoint })).bytes)).toBe(shardHash)
    await cache.delete('')
    expect(await cache.list('')).toEqual([])
    expect((await faultOf(() => readShard({ cache, endpoint }))).code).toBe('hub-unreachable')
    hub = await startHubServer({})
  })

  it('that is full does not stop reading', async () => {
    const cache = new MemoryFileStore({ limitBytes: 1000 })
    expect(sha256((await readShard({ cache })).bytes)).toBe(shardHash)
  })
})
