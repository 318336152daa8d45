import { describe, expect, it } from 'vitest'
import { StudioError } from '../core/errors.ts'
import { faultOf } from '../testing/fault-of.ts'
import type { HttpAccess, HttpSourceOptions } from './http-request.ts'
import { httpSource } from './http-source.ts'
import { MemoryFileStore } from './memory-store.ts'

const content = Uint8Array.from({ length: 1000 }, (_, i) => (i * 13) % 256)

function fault(title: string): StudioError {
  return new StudioError('hub-unreachable', { title, message: title, remedy: 'none' })
}

/** A source whose requests are answered by a function; waits are recorded, not waited for. */
function source(answer: (range: readonly [number, number], init: RequestInit) => Response, options: Partial<HttpSourceOptions> = {}) {
  const waits: number[] = []
  const access: HttpAccess = {
    fetch: async (_url, init = {}) => {
      const match = /^bytes=(\d+)-(\d+)$/.exec(new Headers(init.headers).get('Range') ?? '')
      return answer([Number(match?.[1] ?? 0), Number(match?.[2] ?? -1) + 1], init)
    },
    headers: () => ({}),
    refused: ({ status }) => fault(`refused ${status}`),
    unreachable: (cause) => fault(`unreachable: ${String(cause)}`),
    wait: async (milliseconds) => void waits.push(milliseconds),
  }
  return { waits, file: httpSource({ name: 'f', url: 'http://hub.test/f', sizeBytes: 1000, access, spill: null, ...options }) }
}

function part([start, end]: readonly [number, number], headers: Record<string, string> = {}): Response {
  return new Response(content.slice(start, end), {
    status: 206,
    headers: { 'Content-Range': `bytes ${start}-${end - 1}/1000`, ...headers },
  })
}

describe('ranges', () => {
  it('are asked for inclusively and given back exactly', async () => {
    const asked: (readonly [number, number])[] = []
    const { file } = source((range) => {
      asked.push(range)
      return part(range)
    })
    expect(await file.read(10, 20)).toEqual(content.slice(10, 20))
    expect(await file.read(1000, 1000)).toHaveLength(0)
    expect(asked).toEqual([[10, 20]])
    expect((await faultOf(() => file.read(990, 1001))).code).toBe('file-damaged')
  })

  it.each([
    ['another place', 'bytes 11-20/1000'],
    ['another size', 'bytes 10-19/999'],
  ])('of %s mean that the file changed', async (_what, range) => {
    const { file } = source((asked) => part(asked, { 'Content-Range': range }))
    expect(await faultOf(() => file.read(10, 20))).toMatchObject({ code: 'file-damaged', title: 'This file changed while it was read' })
  })

  it('of a server that does not expose Content-Range are trusted for their length', async () => {
    const { file } = source(([start, end]) => new Response(content.slice(start, end), { status: 206 }))
    expect(await file.read(0, 5)).toEqual(content.slice(0, 5))
  })

  it('never take more than was asked for', async () => {
    const { file } = source(([start]) => new Response(content.slice(start), { status: 206 }))
    expect(await file.read(5, 8)).toEqual(content.slice(5, 8))
  })
})

describe('waiting', () => {
  it.each([
    ['seconds', '7', [7000]],
    ['nothing', null, [500]],
    ['nonsense', 'soon', [500]],
    ['a date that has passed', new Date(0).toUTCString(), [500]],
  ])('as Retry-After says: %s', async (_what, header, expected) => {
    let tries = 0
    const { file, waits } = source((range) => {
      tries += 1
      return tries === 1 ? new Response('', { status: 429, headers: header === null ? {} : { 'Retry-After': header } }) : part(range)
    })
    await file.read(0, 5)
    expect(waits).toEqual(expected)
  })

  it('until a date', async () => {
    let tries = 0
    const { file, waits } = source((range) => {
      tries += 1
      return tries === 1
        ? new Response('', { status: 503, headers: { 'Retry-After': new Date(Date.now() + 60_000).toUTCString() } })
        : part(range)
    })
    await file.read(0, 5)
    expect(waits[0]).toBeGreaterThan(30_000)
    expect(waits[0]).toBeLessThanOrEqual(60_000)
  })

  it('not for refusals that waiting does not change', async () => {
    const { file, waits } = source(() => new Response('', { status: 416 }))
    expect((await faultOf(() => file.read(0, 5))).title).toBe('refused 416')
    expect(waits).toEqual([])
  })
})

describe('a server that ignores ranges', () => {
  const large = 67_108_865
  /** So many zeros, without holding them. */
  const zeros = (sizeBytes: number) => {
    let left = sizeBytes
    return new ReadableStream<Uint8Array>({
      pull(controller) {
        const piece = new Uint8Array(Math.min(left, 8_388_608))
        left -= piece.length
        controller.enqueue(piece)
        if (left === 0) controller.close()
      },
    })
  }

  it('is refused for large files where there is nowhere to put them', async () => {
    const { file } = source(() => new Response(zeros(large)), { sizeBytes: large })
    expect(await faultOf(() => file.read(0, 5))).toMatchObject({ title: 'This server does not send parts of files' })
  })

  it('is read into the store otherwise, once for all readers', async () => {
    const store = new MemoryFileStore()
    let requests = 0
    let spilled = false
    const { file } = source(
      () => {
        requests += 1
        return new Response(zeros(large))
      },
      { sizeBytes: large, spill: { store, path: 'whole/f' }, onSpilled: () => void (spilled = true) },
    )
    const parts = await Promise.all([file.read(large - 5, large), file.read(0, 5)])
    expect(parts).toEqual([new Uint8Array(5), new Uint8Array(5)])
    expect((await store.list('')).map(({ sizeBytes }) => sizeBytes)).toEqual([large])
    expect(await file.read(7, 9)).toEqual(new Uint8Array(2))
    expect(spilled).toBe(true)
    // A later session finds it there.
    const later = source(() => new Response('', { status: 500 }), { sizeBytes: large, spill: { store, path: 'whole/f' } })
    expect(await later.file.read(0, 3)).toEqual(new Uint8Array(3))
    expect(requests).toBe(2) // both readers had asked before the first answer told that ranges are ignored
  })

  it('ends with the storage when that is full, leaving nothing behind', async () => {
    const store = new MemoryFileStore({ limitBytes: 1_000_000 })
    const { file } = source(() => new Response(zeros(large)), { sizeBytes: large, spill: { store, path: 'whole/f' } })
    expect((await faultOf(() => file.read(0, 5))).code).toBe('storage-full')
    expect(await store.list('')).toEqual([])
  })

  it('that sends too much sends another file', async () => {
    const { file } = source(() => new Response(new Uint8Array(1001)))
    expect((await faultOf(() => file.read(0, 5))).title).toBe('This file changed while it was read')
  })

  it('is not waited for by a reader who goes on when another was stopped', async () => {
    const stop = new AbortController()
    let requests = 0
    const { file } = source((_range, { signal }) => {
      requests += 1
      if (requests > 1) return new Response(content)
      return new Response(
        new ReadableStream({
          start(controller) {
            signal?.addEventListener('abort', () => controller.error(new DOMException('stopped', 'AbortError')))
          },
        }),
      )
    })
    const first = file.read(0, 5, stop.signal)
    const second = file.read(0, 5)
    setTimeout(() => stop.abort(), 0)
    expect((await faultOf(() => first)).code).toBe('aborted')
    expect(await second).toEqual(content.slice(0, 5))
  })
})
