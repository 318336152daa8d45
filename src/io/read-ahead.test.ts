import { describe, expect, it } from 'vitest'
import type { ByteSource } from './byte-source.ts'
import { memorySource } from './memory-source.ts'
import { readingAhead } from './read-ahead.ts'

const bytes = Uint8Array.from({ length: 1000 }, (_, i) => (i * 7) % 256)

/** With the ranges that were read. */
function counted(): { readonly source: ByteSource; readonly ranges: string[] } {
  const inner = memorySource('file', bytes)
  const ranges: string[] = []
  const read: ByteSource['read'] = (start, end, signal) => {
    ranges.push(`${start}-${end}`)
    return inner.read(start, end, signal)
  }
  return { source: { name: inner.name, sizeBytes: inner.sizeBytes, read }, ranges }
}

describe('readingAhead', () => {
  it('gives the bytes of any reads, and reads those once that follow each other', async () => {
    const { source, ranges } = counted()
    const read = readingAhead(source, 950)
    // The third is shorter than what was read for it, the fourth is elsewhere, the fifth is longer than what was read.
    for (const [start, end] of [
      [100, 200],
      [200, 300],
      [300, 350],
      [20, 30],
      [30, 60],
      [900, 950],
    ] as const) {
      expect([...(await read(start, end))]).toEqual([...bytes.subarray(start, end)])
    }
    expect(ranges).toEqual(['100-200', '200-300', '300-400', '350-400', '20-30', '30-40', '30-60', '60-90', '900-950'])
  })

  it('leaves what it returned as it is until the next read', async () => {
    const read = readingAhead(memorySource('file', bytes), 1000)
    await read(0, 100)
    const second = await read(100, 200)
    await Promise.resolve()
    expect([...second]).toEqual([...bytes.subarray(100, 200)])
  })

  it('fails when the read fails, not before', async () => {
    let reads = 0
    const inner = memorySource('file', bytes)
    const source: ByteSource = {
      name: 'file',
      sizeBytes: 1000,
      read: async (start, end) => {
        if (++reads === 2) throw new RangeError('gone')
        return inner.read(start, end)
      },
    }
    const read = readingAhead(source, 1000)
    expect(await read(0, 100)).toHaveLength(100)
    await expect(read(100, 200)).rejects.toThrow('gone')
    expect(await read(100, 200)).toHaveLength(100)
  })
})
