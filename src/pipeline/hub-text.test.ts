import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { documentsOf } from '../calibration/documents.ts'
import { faultOf } from '../testing/fault-of.ts'
import { type HubServer, startHubServer } from '../testing/hub-server.ts'
import { parquetFixture } from '../testing/parquet-fixture.ts'
import { fixtureMessages, fixtureText } from '../testing/parquet-rows.ts'
import { openTiny } from '../testing/tiny-run.ts'
import { type HubTextRequest, readHubText } from './hub-text.ts'

let hub: HubServer
beforeEach(async () => {
  const [zstd, pages, messages] = await Promise.all(['zstd', 'pages', 'messages'].map(parquetFixture))
  const blank = new TextEncoder().encode('{"text":""}\n{"text":null}')
  hub = await startHubServer({
    'datasets/o/stories': new Map([['train.jsonl', blank]]),
    'datasets/o/stories@refs/convert/parquet': new Map([
      ['default/train/0000.parquet', pages ?? blank],
      ['default/test/0000.parquet', zstd ?? blank],
      ['talks/train/0000.parquet', messages ?? blank],
    ]),
  })
})
afterEach(() => hub.close())

async function read(change: Partial<HubTextRequest> = {}, signal?: AbortSignal) {
  const { tokenizer } = await openTiny()
  const told: string[] = []
  const request: HubTextRequest = {
    id: 'o/stories',
    purpose: 'calibration',
    wantedTokens: 500,
    seed: 3,
    accessToken: null,
    endpoint: hub.endpoint,
    cache: null,
    ...change,
  }
  return { ...(await readHubText(request, tokenizer, ({ kind }) => told.push(kind), signal)), told, tokenizer }
}

const texts = (start: number, end: number) =>
  Array.from({ length: end - start }, (_, row) => fixtureText(start + row)).filter((text) => text !== null)

describe('a text of the Hub', () => {
  it('to calibrate on is whole documents of train from where the seed draws, up to the tokens wanted', async () => {
    const { text, tokens, documents, name, told, tokenizer } = await read()
    expect(name).toMatch(/^o\/stories train @[0-9a-f]{7}$/)
    const first = Number(/ (\d+)\n/.exec(text)?.[1])
    expect(first).toBeGreaterThan(0)
    const rows = texts(first, first + documents + 2).slice(0, documents)
    expect(text).toBe(rows.join('\n\n'))
    const last = rows.at(-1) ?? ''
    expect(tokens).toBeGreaterThanOrEqual(500)
    expect(tokens - tokenizer.encode(last).length).toBeLessThan(500)
    expect(told).toContain('received')
    expect((await read()).text).toBe(text)
    expect((await read({ seed: 4 })).text).not.toBe(text)
  })

  it('to measure on is test from its beginning, whatever the seed', async () => {
    const { text, name } = await read({ purpose: 'evaluation', wantedTokens: Number.POSITIVE_INFINITY })
    expect(name).toContain(' test ')
    expect(text).toBe(texts(0, 60).join('\n\n'))
  })

  it('of conversations keeps their turns', async () => {
    const { text, documents } = await read({ id: 'o/stories:talks', wantedTokens: Number.POSITIVE_INFINITY })
    expect(documents).toBe(12)
    const found = documentsOf(text).map((one) => JSON.stringify(one))
    expect(found.sort()).toEqual(Array.from({ length: 12 }, (_, row) => JSON.stringify(fixtureMessages(row))).sort())
  })

  it('that has no text is refused', async () => {
    expect(await faultOf(() => read({ id: 'o/stories@main' }))).toMatchObject({
      code: 'text-too-short',
      title: 'This data set has no text',
    })
  })

  it('is stopped while tokens are counted, too', async () => {
    const stop = new AbortController()
    const { tokenizer } = await openTiny()
    const request = { id: 'o/stories', purpose: 'evaluation', wantedTokens: Number.POSITIVE_INFINITY, seed: 0 } as const
    const hubOf = { accessToken: null, endpoint: hub.endpoint, cache: null }
    const counted = { ...tokenizer, encode: () => new Int32Array(20_000) }
    let told = 0
    const fault = await faultOf(() =>
      readHubText(
        { ...request, ...hubOf },
        counted,
        ({ tokens }) => {
          if (tokens === 0) return
          told += 1
          setTimeout(() => stop.abort())
        },
        stop.signal,
      ),
    )
    expect(fault.code).toBe('aborted')
    expect(told).toBeLessThan(5)
  })

  it('ends at once when it is stopped', async () => {
    const stop = new AbortController()
    stop.abort()
    expect((await faultOf(() => read({}, stop.signal))).code).toBe('aborted')
  })
})
