import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { equalBytes } from '../core/equal-bytes.ts'
import { countingSource } from '../testing/counting-source.ts'
import { faultOf } from '../testing/fault-of.ts'
import { storeCases } from '../testing/file-store-contract.ts'
import { blobSource } from './blob-source.ts'
import { BlobStreams } from './blob-stream.ts'
import type { ByteSource } from './byte-source.ts'
import { type CacheBudget, cachedSource, createCacheBudget } from './cached-source.ts'
import { memorySource } from './memory-source.ts'
import { MemoryFileStore } from './memory-store.ts'
import { readInto } from './read-into.ts'
import { readText } from './read-text.ts'
import { storageError } from './store-path.ts'

const content = Uint8Array.from({ length: 1000 }, (_, i) => (i * 7) % 251)
const unlimited: CacheBudget = { take: () => true, close: () => undefined }

describe.each([
  ['memory', memorySource('m', content)],
  ['blob', blobSource('b', new Blob([content]))],
])('a source of %s', (_kind, source) => {
  it('reads slices and refuses what is outside', async () => {
    expect(await source.read(10, 20)).toEqual(content.slice(10, 20))
    expect(await source.read(1000, 1000)).toHaveLength(0)
    for (const [start, end] of [
      [-1, 5],
      [5, 4],
      [990, 1001],
      [0.5, 1],
      [0, Number.NaN],
    ] as const) {
      expect((await faultOf(() => source.read(start, end))).code).toBe('file-damaged')
    }
    expect((await faultOf(() => source.read(0, 1, AbortSignal.abort()))).code).toBe('aborted')
  })

  it('fills memory of the caller, shared or not, and nothing beside it', async () => {
    for (const buffer of [new ArrayBuffer(12), new SharedArrayBuffer(12)]) {
      const into = new Uint8Array(buffer).fill(99)
      await readInto(source, into.subarray(1, 11), 10)
      expect([...into]).toEqual([99, ...content.slice(10, 20), 99])
    }
    expect((await faultOf(() => readInto(source, new Uint8Array(10), 991))).code).toBe('file-damaged')
    expect((await faultOf(() => readInto(source, new Uint8Array(1), 0, AbortSignal.abort()))).code).toBe('aborted')
  })

  it('hands over bytes that the caller may change', async () => {
    const first = await source.read(0, 4)
    first.fill(99)
    expect(await source.read(0, 4)).toEqual(content.slice(0, 4))
  })
})

it('a file that changed on disk since it was chosen is missing', async () => {
  const gone = {
    size: 5,
    slice: () => ({ arrayBuffer: () => Promise.reject(new DOMException('gone', 'NotReadableError')) }),
  } as unknown as Blob
  const fault = await faultOf(() => blobSource('model.safetensors', gone).read(0, 5))
  expect(fault).toMatchObject({ code: 'file-missing', title: 'model.safetensors can no longer be read' })
})

describe('a large part of a blob', () => {
  const large = Uint8Array.from({ length: 5 * 2 ** 20 }, (_, i) => (i * 11) % 253)

  it('passes into memory of the caller in chunks, several reads at once', async () => {
    const source = blobSource('b', new Blob([large]))
    const [one, other] = [new Uint8Array(large.length - 7), new Uint8Array(2 ** 21)]
    await Promise.all([source.readInto?.(one, 7), source.readInto?.(other, 2 ** 20)])
    expect(equalBytes(one, large.subarray(7))).toBe(true)
    expect(equalBytes(other, large.subarray(2 ** 20, 3 * 2 ** 20))).toBe(true)
  })

  it('comes from one stream, with what lies close behind it', async () => {
    const blob = new Blob([large])
    const opened = vi.spyOn(blob, 'slice')
    const source = blobSource('b', blob)
    const read = async (start: number): Promise<boolean> => {
      const into = new Uint8Array(2 ** 20 + 5)
      await source.readInto?.(into, start)
      return equalBytes(into, large.subarray(start, start + into.length))
    }
    const starts = [3, 2 ** 20 + 8, 2 ** 21 + 100]
    expect(await Promise.all(starts.map(read))).toEqual([true, true, true])
    expect(opened.mock.calls).toEqual([[3, large.length]])
    // Back, and further on than is read in vain.
    expect([await read(7), await read(3 * 2 ** 20)]).toEqual([true, true])
    expect(opened.mock.calls.slice(1).map(([start]) => start)).toEqual([7, 3 * 2 ** 20])
  })

  it('comes from a stream for each segment, whose streams are open side by side and end with it', async () => {
    const blob = new Blob([large])
    const opened = vi.spyOn(blob, 'slice')
    const streams = new BlobStreams(blob, 2 ** 21)
    const read = async (start: number, end: number): Promise<boolean> => {
      const into = new Uint8Array(end - start)
      await streams.readInto(into, start, undefined)
      return equalBytes(into, large.subarray(start, end))
    }
    expect(await Promise.all([read(5, 2 ** 20), read(2 ** 20, 2 ** 21 + 9), read(2 ** 21 + 9, large.length)])).toEqual([true, true, true])
    expect(opened.mock.calls).toEqual([
      [5, 2 ** 21],
      [2 ** 21, 2 ** 22],
      [2 ** 22, large.length],
    ])
  })

  it('is not written to any more when it failed in one of its segments', async () => {
    const broken = new ReadableStream({ type: 'bytes', start: (controller) => controller.error(new TypeError('gone')) })
    const slice = (start: number, end: number): Blob =>
      start === 0 ? Object.assign(new Blob(), { stream: () => broken }) : new Blob([large.subarray(start, end)])
    const into = new Uint8Array(large.length)
    await expect(new BlobStreams({ size: large.length, slice } as Blob, 2 ** 21).readInto(into, 0, undefined)).rejects.toThrow('gone')
    expect(equalBytes(into.subarray(2 ** 21), large.subarray(2 ** 21))).toBe(true)
  })

  it('is read on its own when the read before it was stopped', async () => {
    const source = blobSource('b', new Blob([large]))
    const stop = new AbortController()
    const work = faultOf(async () => source.readInto?.(new Uint8Array(2 ** 21), 0, stop.signal))
    const into = new Uint8Array(2 ** 21)
    const next = source.readInto?.(into, 2 ** 21)
    stop.abort()
    expect((await work).code).toBe('aborted')
    await next
    expect(equalBytes(into, large.subarray(2 ** 21, 2 ** 22))).toBe(true)
  })

  it('lets go of its stream when nobody reads on', async () => {
    vi.useFakeTimers()
    try {
      const blob = new Blob([large])
      const opened = vi.spyOn(blob, 'slice')
      const source = blobSource('b', blob)
      await source.readInto?.(new Uint8Array(2 ** 20), 0)
      vi.advanceTimersByTime(1000)
      await source.readInto?.(new Uint8Array(2 ** 20), 2 ** 20)
      expect(opened.mock.calls.map(([start]) => start)).toEqual([0, 2 ** 20])
    } finally {
      vi.useRealTimers()
    }
  })

  it('comes whole where streams have memory of their own only', async () => {
    const slice = Object.assign(new Blob([large]), { stream: () => new ReadableStream() })
    const into = new Uint8Array(large.length)
    await blobSource('b', { size: large.length, slice: () => slice } as unknown as Blob).readInto?.(into, 0)
    expect(equalBytes(into, large)).toBe(true)
  })

  it('that ends early is a file that changed; an abort is heard between chunks', async () => {
    const short = { size: large.length, slice: () => new Blob([large.subarray(9)]) } as unknown as Blob
    const into = new Uint8Array(large.length)
    expect((await faultOf(async () => blobSource('b', short).readInto?.(into, 0))).code).toBe('file-missing')
    const stop = new AbortController()
    const work = faultOf(async () => blobSource('b', new Blob([large])).readInto?.(into, 0, stop.signal))
    stop.abort()
    expect((await work).code).toBe('aborted')
  })
})

describe('small text files', () => {
  const text = (bytes: Uint8Array) => readText(memorySource('t', bytes), 100)
  it('are UTF-8, with or without a byte order mark', async () => {
    expect(await text(new TextEncoder().encode('\ufeffä'))).toBe('ä')
    expect(await faultOf(() => text(Uint8Array.of(0xff)))).toMatchObject({ code: 'file-damaged', message: 't is not UTF-8 text.' })
    expect((await faultOf(() => text(new Uint8Array(101)))).message).toContain('101 bytes long; at most 100')
  })
})

describe('the memory store', () => {
  it.each(storeCases.map(({ name, run }) => [name, run] as const))('%s', (_name, run) => run(new MemoryFileStore()))

  it('is full at its limit, counting files that are still open', async () => {
    const store = new MemoryFileStore({ limitBytes: 10 })
    const sink = await store.create('a')
    await sink.write(new Uint8Array(6))
    const other = await store.create('b')
    expect(await faultOf(() => other.write(new Uint8Array(5)))).toMatchObject({ code: 'storage-full', details: { path: 'b' } })
    await sink.abort()
    await other.write(new Uint8Array(5))
    await other.close()
    expect(await store.estimate()).toEqual({ usedBytes: 5, freeBytes: 5 })
  })
})

describe('faults of a medium', () => {
  it.each([
    [new DOMException('x', 'QuotaExceededError'), 'storage-full'],
    [Object.assign(new Error('x'), { code: 'ENOSPC' }), 'storage-full'],
    [Object.assign(new Error('x'), { code: 'EIO' }), 'storage-fault'],
    ['x', 'storage-fault'],
  ])('%s is %s', (cause, code) => expect(storageError('Writing', 'a', cause).code).toBe(code))
})

describe('the cache', () => {
  const cached = (source: ByteSource, store = new MemoryFileStore(), budget = unlimited) =>
    cachedSource(source, { store, folder: 'f', budget, pieceBytes: 64 })

  it('gives the same bytes as the source, whatever is asked in whatever order', async () => {
    const range = fc.tuple(fc.nat({ max: 1000 }), fc.nat({ max: 1000 })).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const)
    await fc.assert(
      fc.asyncProperty(fc.array(range, { maxLength: 8 }), fc.boolean(), async (ranges, atOnce) => {
        const source = countingSource(memorySource('s', content))
        const store = new MemoryFileStore()
        const file = cached(source, store)
        const reads = ranges.map(
          ([start, end]) =>
            () =>
              file.read(start, end),
        )
        const results: Uint8Array[] = []
        if (atOnce) results.push(...(await Promise.all(reads.map((read) => read()))))
        else for (const read of reads) results.push(await read())
        for (const [i, [start, end]] of ranges.entries()) expect(results[i]).toEqual(content.slice(start, end))
        // Each piece is fetched at most once.
        const fetched = source.ranges.flatMap(([start, end]) =>
          Array.from({ length: Math.ceil((end - start) / 64) }, (_, i) => start / 64 + i),
        )
        expect(new Set(fetched).size).toBe(fetched.length)
        // A new cache over the same store fetches nothing of it again.
        const again = cached(source, store)
        const before = source.requests
        for (const [start, end] of ranges) expect(await again.read(start, end)).toEqual(content.slice(start, end))
        expect(source.requests).toBe(before)
      }),
      { numRuns: 150 },
    )
  })

  it('asks for neighbours in one request and for stored pieces not at all', async () => {
    const source = countingSource(memorySource('s', content))
    const file = cached(source)
    await file.read(130, 140)
    await file.read(0, 1000)
    expect(source.ranges).toEqual([
      [128, 192],
      [0, 128],
      [192, 1000],
    ])
  })

  it('never keeps a failed read', async () => {
    let fails = true
    const source: ByteSource = {
      ...memorySource('s', content),
      read: async (start, end) => {
        if (fails) throw new Error('line down')
        return content.slice(start, end)
      },
    }
    const file = cached(source)
    await expect(Promise.all([file.read(0, 10), file.read(5, 10)])).rejects.toThrow('line down')
    fails = false
    expect(await file.read(0, 10)).toEqual(content.slice(0, 10))
  })

  it('lets a second reader finish when the first is stopped', async () => {
    const stop = new AbortController()
    const source: ByteSource = {
      ...memorySource('s', content),
      read: async (start, end, signal) => {
        await Promise.resolve()
        if (signal?.aborted === true) throw new DOMException('stopped', 'AbortError')
        return content.slice(start, end)
      },
    }
    const file = cached(source)
    const first = file.read(0, 10, stop.signal)
    const second = file.read(0, 10)
    stop.abort()
    await expect(first).rejects.toThrow()
    expect(await second).toEqual(content.slice(0, 10))
  })

  it('fetches again what the store lost or cut', async () => {
    const source = countingSource(memorySource('s', content))
    const store = new MemoryFileStore()
    const file = cached(source, store)
    await file.read(0, 128)
    await store.delete('f/000001')
    expect(await file.read(0, 128)).toEqual(content.slice(0, 128))
    expect(source.ranges.at(-1)).toEqual([64, 128])
    const sink = await store.create('f/000000')
    await sink.write(new Uint8Array(3))
    await sink.close()
    expect(await cached(source, store).read(0, 64)).toEqual(content.slice(0, 64))
  })

  it('stores nothing of a source that has become local', async () => {
    const store = new MemoryFileStore()
    const file = cachedSource(memorySource('s', content), { store, folder: 'f', budget: unlimited, keeps: () => false })
    expect(await file.read(0, 1000)).toEqual(content)
    expect(await store.list('')).toEqual([])
  })

  it('stays within its budget and goes on reading when the store is full', async () => {
    const source = countingSource(memorySource('s', content))
    const store = new MemoryFileStore({ limitBytes: 200 })
    expect(await cached(source, store, await createCacheBudget(store, 128)).read(0, 1000)).toEqual(content)
    expect((await store.estimate()).usedBytes).toBe(128)
    expect(await cached(source, store).read(0, 1000)).toEqual(content)
    expect((await store.estimate()).usedBytes).toBe(192)
  })
})
