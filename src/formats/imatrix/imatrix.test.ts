import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { memorySource } from '../../io/memory-source.ts'
import { faultOf } from '../../testing/fault-of.ts'
import { encodeMetadata, layoutGguf } from '../gguf/layout.ts'
import type { MeasuredImatrix } from './imatrix.ts'
import { readImatrix } from './read.ts'
import { writeImatrix } from './write.ts'

const small: MeasuredImatrix = {
  dataset: 'stories.txt',
  chunks: 3,
  chunkSize: 16,
  entries: [
    { name: 'blk.1.ffn_down.weight', sums: Float32Array.of(48, 96), tokens: 48 },
    { name: 'blk.0.attn_q.weight', sums: Float32Array.of(0, 24, 12), tokens: 48 },
  ],
}

const read = async (bytes: Uint8Array<ArrayBuffer>) => readImatrix(memorySource('some.imatrix', bytes))

/** By hand from the format's description: counts and lengths are i32, values f32, all little-endian. */
function datFile(parts: readonly (number | string | readonly number[])[]): Uint8Array<ArrayBuffer> {
  const bytes: number[] = []
  for (const part of parts) {
    if (typeof part === 'number') bytes.push(...new Uint8Array(Int32Array.of(part).buffer))
    else if (typeof part === 'string') bytes.push(...new TextEncoder().encode(part))
    else bytes.push(...new Uint8Array(Float32Array.from(part).buffer))
  }
  return Uint8Array.from(bytes)
}

const smallDat = datFile([
  2,
  19,
  'blk.0.attn_q.weight',
  3,
  3,
  [0, 1.5, 0.75],
  21,
  'blk.1.ffn_down.weight',
  3,
  2,
  [3, 6],
  3,
  11,
  'stories.txt',
])

describe('an importance matrix', () => {
  it.each(['gguf', 'dat'] as const)('comes back from %s with the same means', async (format) => {
    const found = await read(await writeImatrix(small, format))
    expect(found).toMatchObject({ datasets: ['stories.txt'], chunks: 3 })
    expect([...found.means].map(([name, means]) => [name, [...means]])).toEqual([
      ['blk.0.attn_q.weight', [0, 0.5, 0.25]],
      ['blk.1.ffn_down.weight', [1, 2]],
    ])
  })

  it('is written as .dat byte for byte as the format says', async () => {
    expect(await writeImatrix(small, 'dat')).toEqual(smallDat)
  })

  it('keeps every bit of the means in GGUF, and all but the last in .dat', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.float({ min: 0, max: Math.fround(1e20), noNaN: true }), { minLength: 1, maxLength: 40 }),
        fc.integer({ min: 1, max: 100_000 }),
        async (values, tokens) => {
          const sums = Float32Array.from(values)
          const imatrix = { dataset: '', chunks: 7, chunkSize: 512, entries: [{ name: 'w', sums, tokens }] }
          const expected = sums.map((sum) => sum / tokens)
          expect((await read(await writeImatrix(imatrix, 'gguf'))).means.get('w')).toEqual(expected)
          const older = (await read(await writeImatrix(imatrix, 'dat'))).means.get('w') ?? new Float32Array(0)
          for (const [i, mean] of older.entries()) {
            expect(Math.abs(mean - (expected[i] ?? 0))).toBeLessThanOrEqual(2 ** -23 * (expected[i] ?? 0) + 2 ** -148)
          }
        },
      ),
      { numRuns: 40 },
    )
  })

  it('may come from before files named their text', async () => {
    const found = await read(datFile([1, 1, 'w', 2, 1, [3]]))
    expect(found).toEqual({ datasets: [], chunks: 0, means: new Map([['w', Float32Array.of(1.5)]]) })
    expect((await read(datFile([1, 1, 'w', 0, 1, [3], 5]))).means.get('w')).toEqual(Float32Array.of(3))
  })

  it('counts a matrix that was never run everywhere alike', async () => {
    const never = { ...small, entries: [{ name: 'w', sums: Float32Array.of(0, 0), tokens: 0 }] }
    expect((await read(await writeImatrix(never, 'gguf'))).means.get('w')).toEqual(Float32Array.of(1, 1))
  })

  const gguf = (change: (layout: Parameters<typeof layoutGguf>[1][number][]) => void, type = 'imatrix'): Uint8Array<ArrayBuffer> => {
    const specs = [
      { name: 'w.in_sum2', type: 'F32' as const, shape: [1, 4] },
      { name: 'w.counts', type: 'F32' as const, shape: [1, 1] },
    ]
    change(specs)
    const layout = layoutGguf([encodeMetadata([{ key: 'general.type', value: { type: 'string', value: type } }])], specs)
    const file = new Uint8Array(layout.sizeBytes)
    file.set(layout.header())
    return file
  }

  it('leaves out the experts, several matrices under one name', async () => {
    const file = gguf((specs) => {
      specs.splice(0, 2, ...specs.map((spec) => ({ ...spec, shape: [2, spec.shape[1] ?? 0], name: `e${spec.name}` })), ...specs)
    })
    expect([...(await read(file)).means.keys()]).toEqual(['w'])
  })

  it.each([
    ['nothing', new Uint8Array(0), 'ends, or goes wrong, at byte 0'],
    ['no entries', datFile([0]), 'holds no matrix'],
    ['a name without end', datFile([1, 100_000, 'w']), 'A name of 100000 bytes'],
    ['half a matrix', smallDat.slice(0, 40), 'ends, or goes wrong, at byte'],
    ['a negative length', datFile([1, 1, 'w', 1, -4]), 'ends, or goes wrong'],
    ['importance below zero', datFile([1, 1, 'w', 1, 2, [1, -1]]), 'Column 1 of w has the importance -1'],
    ['importance that is no number', datFile([1, 1, 'w', 1, 1, [Number.NaN]]), 'has the importance NaN'],
    ['a model', gguf(() => undefined, 'model'), 'not one of type "imatrix"'],
    ['sums without counts', gguf((specs) => specs.pop()), 'w has sums but no counts'],
    ['halves', gguf((specs) => specs.splice(0, 1, { name: 'w.in_sum2', type: 'F16', shape: [1, 4] })), 'not stored as F32'],
    ['a GGUF without matrices', gguf((specs) => specs.splice(0, 2, { name: 'x', type: 'F32', shape: [1] })), 'It holds no matrix'],
  ])('is refused when the file holds %s', async (_, file, text) => {
    const error = await faultOf(() => read(file))
    expect(error.code).toBe('file-damaged')
    expect(error.message).toContain(text)
  })

  it('is refused when the file is as large as a model', async () => {
    const large = { name: 'model.gguf', sizeBytes: 2 ** 31, read: () => Promise.reject(new Error('nothing is read')) }
    expect((await faultOf(() => readImatrix(large))).message).toContain('at most 268435456 are expected')
  })
})
