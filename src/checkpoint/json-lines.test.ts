import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { memorySource } from '../io/memory-source.ts'
import { countingSource } from '../testing/counting-source.ts'
import { faultOf } from '../testing/fault-of.ts'
import { readJsonLines } from './json-lines.ts'

const rows = Array.from({ length: 40 }, (_, n) => ({ n, text: `grün ${'ß'.repeat(n % 7)}` }))
const bytes = new TextEncoder().encode(rows.map((row) => JSON.stringify(row)).join('\n'))
const whole = { start: 0, end: Number.MAX_SAFE_INTEGER }

async function read(name: string, content: Uint8Array, range = whole): Promise<unknown[]> {
  const found: unknown[] = []
  for await (const row of readJsonLines(memorySource(name, content), range)) found.push(row)
  return found
}

describe('JSON lines', () => {
  it('are read whole, with or without a last newline', async () => {
    expect(await read('x.jsonl', bytes)).toEqual(rows)
    expect(await read('x.jsonl', new Uint8Array([...bytes, 10, 10]))).toEqual(rows)
  })

  it('belong to the range they begin in, wherever it is cut', async () => {
    for (let cut = 0; cut <= bytes.length; cut += 3) {
      const first = await read('x.jsonl', bytes, { start: 0, end: cut })
      const second = await read('x.jsonl', bytes, { start: cut, end: bytes.length })
      expect([...first, ...second]).toEqual(rows)
    }
  })

  it('are decompressed on the way, no further than they are read', async () => {
    expect(await read('x.json.gz', gzipSync(bytes))).toEqual(rows)
    const noise = Array.from({ length: 300_000 }, (_, i) => JSON.stringify({ i, x: (i * 2_654_435_761) % 4_294_967_296 })).join('\n')
    const source = countingSource(memorySource('x.jsonl.gz', gzipSync(noise)))
    for await (const row of readJsonLines(source, whole)) {
      expect(row).toEqual({ i: 0, x: 0 })
      break
    }
    expect(source.sizeBytes).toBeGreaterThan(2_200_000)
    expect(source.bytesRead).toBeLessThan(source.sizeBytes)
  })

  it.each([
    ['a line that is none', 'x.jsonl', new TextEncoder().encode('{"a":1}\nb'), 'line 2 is not a JSON object'],
    ['a list', 'x.json', new TextEncoder().encode('[{"a":1}]'), 'line 1 is not a JSON object'],
    ['a broken archive', 'x.json.gz', gzipSync(bytes).fill(0, 20, 60), 'cannot be decompressed'],
    ['a file without lines', 'x.json', new Uint8Array(17_000_000).fill(97), 'longer than'],
  ])('refuse %s', async (_, name, content, message) => {
    expect(await faultOf(() => read(name, content))).toMatchObject({
      code: 'file-damaged',
      message: expect.stringContaining(message) as string,
    })
  })
})
