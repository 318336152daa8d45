import { describe, expect, it } from 'vitest'
import { memorySource } from '../../io/memory-source.ts'
import { countingSource } from '../../testing/counting-source.ts'
import { faultOf } from '../../testing/fault-of.ts'
import { parquetFixture } from '../../testing/parquet-fixture.ts'
import { fixtureMessages, fixtureText } from '../../testing/parquet-rows.ts'
import { readParquet } from './read.ts'

const source = async (name: string) => memorySource(`${name}.parquet`, await parquetFixture(name))
const texts = (start: number, end: number) => Array.from({ length: end - start }, (_, i) => fixtureText(start + i))

describe('a Parquet file', () => {
  it.each(['none', 'snappy', 'gzip', 'zstd', 'brotli', 'lz4'])('compressed with %s has its rows', async (codec) => {
    const file = await readParquet(await source(codec))
    expect(file.rowCount).toBe(60)
    expect(file.columns.map(({ name, kind }) => [name, kind])).toEqual([
      ['id', 'other'],
      ['title', 'text'],
      ['text', 'text'],
    ])
    const parts = file.parts('text')
    expect(parts).toEqual([0, 20, 40].map((rowStart) => ({ rowStart, rowEnd: rowStart + 20 })))
    const values = await Promise.all(parts.map((part) => file.readColumn('text', part)))
    expect(values.flat()).toEqual(texts(0, 60))
  })

  it('knows where the text is: the column of most bytes', async () => {
    const { columns } = await readParquet(await source('zstd'))
    const sizes = new Map(columns.map(({ name, sizeBytes }) => [name, sizeBytes]))
    expect(sizes.get('text')).toBeGreaterThan(2 * (sizes.get('title') ?? Number.NaN))
  })

  it('gives lists of records as they are', async () => {
    const file = await readParquet(await source('messages'))
    expect(file.columns).toEqual([
      { name: 'prompt_id', kind: 'text', fields: [], sizeBytes: expect.any(Number) as number },
      { name: 'messages', kind: 'records', fields: ['role', 'content'], sizeBytes: expect.any(Number) as number },
    ])
    expect(await file.readColumn('messages', { rowStart: 3, rowEnd: 7 })).toEqual([3, 4, 5, 6].map(fixtureMessages))
  })

  it('reads one column of one row group, not the file', async () => {
    const counted = countingSource(await source('none'))
    const file = await readParquet(counted)
    const before = counted.bytesRead
    await file.readColumn('title', { rowStart: 20, rowEnd: 40 })
    expect(counted.bytesRead - before).toBeLessThan(1000)
  })

  it('reads pages of a large row group where it says where they are', async () => {
    const counted = countingSource(await source('pages'))
    const file = await readParquet(counted)
    expect(file.parts('text')).toEqual([
      { rowStart: 0, rowEnd: 1000 },
      { rowStart: 1000, rowEnd: 1500 },
    ])
    const before = counted.bytesRead
    expect(await file.readColumn('text', { rowStart: 1400, rowEnd: 1500 })).toEqual(texts(1400, 1500))
    expect(counted.bytesRead - before).toBeLessThan(counted.sizeBytes / 5)
  })

  it('refuses row groups that are too large to hold', async () => {
    const file = await readParquet(await source('large'))
    expect(await faultOf(async () => file.parts('text'))).toMatchObject({
      code: 'usage',
      title: expect.stringContaining('too large') as string,
    })
  })
})

describe('broken files', () => {
  const cases: readonly (readonly [string, (bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>, string])[] = [
    ['nothing', () => new Uint8Array(3), 'too short'],
    ['another file', (bytes) => bytes.fill(7, -4), 'does not end as a Parquet file does'],
    ['a footer longer than the file', (bytes) => withFooterLength(bytes, bytes.length), 'Its footer would have'],
    ['a footer of rubbish', (bytes) => bytes.fill(255, -300, -8), 'cannot be decoded'],
  ]
  it.each(cases)('%s', async (_, change, message) => {
    const fault = await faultOf(async () => readParquet(memorySource('x.parquet', change(await parquetFixture('none')))))
    expect(fault).toMatchObject({ code: 'file-damaged', message: expect.stringContaining(message) as string })
  })

  it('pages of rubbish', async () => {
    const bytes = (await parquetFixture('zstd')).fill(170, 4, 1200)
    const file = await readParquet(memorySource('x.parquet', bytes))
    expect((await faultOf(() => file.readColumn('text', { rowStart: 0, rowEnd: 20 }))).code).toBe('file-damaged')
  })
})

function withFooterLength(bytes: Uint8Array<ArrayBuffer>, length: number): Uint8Array<ArrayBuffer> {
  new DataView(bytes.buffer).setUint32(bytes.length - 8, length, true)
  return bytes
}
