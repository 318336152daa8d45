import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { faultOf } from '../testing/fault-of.ts'
import { type HubServer, type RepoContent, startHubServer } from '../testing/hub-server.ts'
import { parquetFixture } from '../testing/parquet-fixture.ts'
import { fixtureMessages, fixtureText } from '../testing/parquet-rows.ts'
import { openDataset } from './dataset.ts'
import { parseDatasetAddress } from './dataset-address.ts'

const json = (rows: readonly unknown[]) => new TextEncoder().encode(rows.map((row) => JSON.stringify(row)).join('\n'))
const records = Array.from({ length: 30 }, (_, n) => ({ url: `u${n}`, body: `record ${n} ${'of some length '.repeat(4)}` }))
const texts = (rows: number) => Array.from({ length: rows }, (_, row) => fixtureText(row))

let hub: HubServer
beforeEach(async () => {
  const [zstd, pages, messages, numbers, large] = await Promise.all(['zstd', 'pages', 'messages', 'numbers', 'large'].map(parquetFixture))
  const files = (content: Readonly<Record<string, Uint8Array | undefined>>): RepoContent =>
    new Map(Object.entries(content).flatMap(([path, bytes]) => (bytes === undefined ? [] : [[path, bytes]])))
  hub = await startHubServer({
    'datasets/o/stories': files({ 'README.md': json([]) }),
    'datasets/o/stories@refs/convert/parquet': files({
      'small/train/0000.parquet': zstd,
      'small/train/0001.parquet': pages,
      'small/test/0000.parquet': zstd,
      'talks/train/0000.parquet': messages,
      'numbers/train/0000.parquet': numbers,
      'large/train/0000.parquet': large,
    }),
    'datasets/o/pictures': files({ 'train/0.png': new Uint8Array(8) }),
    'datasets/o/lines': files({ 'data/train-0.jsonl': json(records), 'data/test-0.jsonl': json(records.slice(0, 3)) }),
    'datasets/o/lines@v2': files({ 'data/train-0.jsonl': json(records.slice(0, 2)) }),
  })
})
afterEach(() => hub.close())

function open(
  text: string,
  { accessToken = null, wait = async () => undefined }: { accessToken?: string | null; wait?: () => Promise<void> } = {},
) {
  const address = parseDatasetAddress(text)
  return openDataset({ address, preferredSplits: ['train'], accessToken, endpoint: hub.endpoint, cache: null, wait }, () => undefined)
}

async function take(text: string, seed: number | null, most = Number.POSITIVE_INFINITY): Promise<unknown[]> {
  const found: unknown[] = []
  const dataset = await open(text)
  for await (const value of dataset.values(seed)) {
    found.push(value)
    if (found.length >= most) break
  }
  return found
}

const storageBytes = () =>
  hub.requests
    .filter(({ host }) => host === 'storage')
    .map(({ range }) => /bytes=(\d+)-(\d+)/.exec(range ?? ''))
    .reduce((sum, match) => sum + Number(match?.[2]) + 1 - Number(match?.[1]), 0)

describe('a data set of the hub', () => {
  it('is read from the conversion, file after file, and named so that it is found again', async () => {
    const dataset = await open('o/stories:small')
    expect(dataset.name).toMatch(/^o\/stories small train @[0-9a-f]{7}$/)
    expect(dataset).toMatchObject({ column: 'text', split: { config: 'small', split: 'train' } })
    expect(await take('o/stories:small', null)).toEqual([...texts(60), ...texts(1500)])
    expect(hub.requests.every(({ hasToken }) => !hasToken)).toBe(true)
  })

  it('begins where the seed says and gives every row once', async () => {
    const [one, again, other] = [await take('o/stories:small', 1), await take('o/stories:small', 1), await take('o/stories:small', 2)]
    expect(again).toEqual(one)
    expect(other).not.toEqual(one)
    const all = [...texts(60), ...texts(1500)].map(String).sort()
    for (const found of [one, other]) {
      expect(found.map(String).sort()).toEqual(all)
      expect(found[0]).not.toBe(fixtureText(0))
    }
  })

  it('costs the pages of the rows that are taken, not the files', async () => {
    await take('o/stories:small:test', null, 5)
    const sizes = await Promise.all(['zstd', 'pages'].map(async (name) => (await parquetFixture(name)).length))
    expect(storageBytes()).toBeLessThan((sizes[0] ?? 0) * 1.2)
    expect(hub.requests.filter(({ path }) => path.includes('resolve')).every(({ range }) => range !== null)).toBe(true)
  })

  it('gives conversations as they are, and columns by name', async () => {
    expect(await take('o/stories:talks', null)).toEqual(Array.from({ length: 12 }, (_, row) => fixtureMessages(row)))
    expect(await take('o/stories:talks::prompt_id', null, 2)).toEqual(['p0', 'p1'])
  })

  it('is read as JSON lines where it is not converted, at its own revision when one is named', async () => {
    const dataset = await open('o/lines')
    expect(dataset.column).toBe('body')
    expect(await take('o/lines', null)).toEqual(records.map(({ body }) => body))
    const drawn = await take('o/lines', 5)
    expect(drawn[0]).not.toBe(records[0]?.body)
    expect(new Set(drawn)).toEqual(new Set(records.map(({ body }) => body)))
    expect(await take('o/lines@v2', null)).toHaveLength(2)
    expect(await take('o/lines::test:url', null)).toEqual(['u0', 'u1', 'u2'])
  })

  it('is listed page by page', async () => {
    hub.behaviour.listingPage = 2
    expect((await open('o/stories:small:test')).split.paths).toEqual(['small/test/0000.parquet'])
    expect(hub.requests.filter(({ path }) => path.includes('/tree/'))).toHaveLength(3)
  })
})

describe('refusals', () => {
  it.each([
    ['a set that is not there', 'o/none', { code: 'hub-not-found', title: 'No such data set' }],
    ['a revision that is not there', 'o/lines@v9', { code: 'hub-not-found', title: 'No such revision' }],
    [
      'a subset that is not there',
      'o/stories:medium',
      { code: 'usage', message: expect.stringContaining('it has large, numbers, small, talks') as string },
    ],
    ['a set without any text', 'o/pictures', { code: 'usage', title: 'This data set has no text that can be read here' }],
    ['a split that is not there', 'o/lines::dev', { code: 'usage', title: 'No such split' }],
    ['a column that is not there', 'o/lines:::title', { code: 'usage', title: 'No such column' }],
    ['a column that is no text', 'o/stories:small::id', { code: 'usage', title: 'This column is not text' }],
    ['a set without text', 'o/stories:numbers', { code: 'usage', title: 'This data set has no text' }],
  ])('%s', async (_, text, fault) => expect(await faultOf(() => open(text))).toMatchObject(fault))

  it('too large row groups, before they are fetched', async () => {
    expect(await faultOf(() => take('o/stories:large', null))).toMatchObject({ code: 'usage' })
    expect(storageBytes()).toBeLessThan(2000)
  })

  it('a gated set, without a token and with a wrong one', async () => {
    hub.behaviour.gated = new Map([['datasets/o/stories', 'secret']])
    const without = await faultOf(() => open('o/stories:small'))
    expect(without).toMatchObject({ code: 'hub-forbidden', title: 'This data set asks for permission' })
    expect((await faultOf(() => open('o/stories:small', { accessToken: 'wrong' }))).code).toBe('hub-forbidden')
    expect((await open('o/stories:small', { accessToken: 'secret' })).column).toBe('text')
    expect(hub.requests.some(({ host, hasToken }) => host === 'storage' && hasToken)).toBe(false)
  })

  it('too many requests, after waiting', async () => {
    hub.behaviour.refuse = { status: 429, times: 100 }
    expect(await faultOf(() => open('o/stories'))).toMatchObject({ code: 'hub-busy' })
  })

  it('a stop at the next row group', async () => {
    const stop = new AbortController()
    const dataset = await open('o/stories:small')
    let taken = 0
    const fault = await faultOf(async () => {
      for await (const value of dataset.values(null, stop.signal)) {
        expect(value).toBe(fixtureText(taken))
        taken += 1
        stop.abort()
      }
    })
    expect(taken).toBe(20)
    expect(fault.code).toBe('aborted')
  })
})
