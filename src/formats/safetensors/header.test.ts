import { existsSync, openSync, readSync } from 'node:fs'
import { resolve } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { nodeFileSource } from '../../headless/node-source.ts'
import type { ByteSource } from '../../io/byte-source.ts'
import { memorySource } from '../../io/memory-source.ts'
import { countingSource } from '../../testing/counting-source.ts'
import { faultOf } from '../../testing/fault-of.ts'
import { isSafetensorsDType } from './dtype.ts'
import { readSafetensorsHeader } from './header.ts'
import { safetensorsLayout } from './layout.ts'
import { parseShardIndex, shardSet } from './shard-index.ts'

/** A file of a header text and so many data bytes. */
function file(header: string | Uint8Array, dataBytes: number, claimedLength?: bigint): ByteSource {
  const text = typeof header === 'string' ? new TextEncoder().encode(header) : header
  const bytes = new Uint8Array(8 + text.length + dataBytes)
  new DataView(bytes.buffer).setBigUint64(0, claimedLength ?? BigInt(text.length), true)
  bytes.set(text, 8)
  return memorySource('x.safetensors', bytes)
}

const tensor = (dtype: unknown, shape: unknown, offsets: unknown) => JSON.stringify({ dtype, shape, data_offsets: offsets })
const one = (entry: string) => `{"a":${entry}}`
const two = (a: string, b: string) => `{"a":${a},"b":${b}}`
const f32 = (begin: number, end: number) => tensor('F32', [(end - begin) / 4], [begin, end])

/** Every way a file can be wrong, with the exact message (the corpus of broken files). */
const broken: readonly (readonly [what: string, source: ByteSource, message: string])[] = [
  [
    'an empty file',
    memorySource('x.safetensors', new Uint8Array()),
    'x.safetensors holds 0 bytes; a safetensors file begins with 8 bytes of length.',
  ],
  [
    'seven bytes',
    memorySource('x.safetensors', new Uint8Array(7)),
    'x.safetensors holds 7 bytes; a safetensors file begins with 8 bytes of length.',
  ],
  [
    'a header cut off',
    file('{"a"', 0, 400n),
    'The header of x.safetensors is 400 bytes long, the file holds 12. It was probably cut off while downloading.',
  ],
  [
    'a header over 100 MB',
    file('{}', 0, 100_000_001n),
    'x.safetensors claims a header of 100,000,001 bytes; at most 100,000,000 are allowed. It is probably not a safetensors file.',
  ],
  [
    'a length beyond 2^53',
    file('{}', 0, 2n ** 63n),
    'x.safetensors claims a header of 9,223,372,036,854,775,808 bytes; at most 100,000,000 are allowed. It is probably not a safetensors file.',
  ],
  ['no header at all', file('', 0), 'The header of x.safetensors does not begin with "{". It is probably not a safetensors file.'],
  [
    'a header that is no object',
    file('["a"]', 0),
    'The header of x.safetensors does not begin with "{". It is probably not a safetensors file.',
  ],
  ['a byte order mark', file('\ufeff{}', 0), 'The header of x.safetensors does not begin with "{". It is probably not a safetensors file.'],
  ['bytes that are no UTF-8', file(Uint8Array.of(0x7b, 0xff, 0x7d), 0), 'The header of x.safetensors is not UTF-8 text.'],
  ['broken JSON', file('{"a":', 0), 'The header of x.safetensors is not valid JSON.'],
  ['zeros for padding', file('{}\0\0', 0), 'The header of x.safetensors is not valid JSON.'],
  ['a name used twice', file(`{"a":${f32(0, 4)},"a":${f32(4, 8)}}`, 8), 'The header of x.safetensors names a twice.'],
  ['a name used twice, once escaped', file(`{"a":${f32(0, 4)},"\\u0061":${f32(4, 8)}}`, 8), 'The header of x.safetensors names a twice.'],
  ['metadata that is no table', file('{"__metadata__":[]}', 0), 'The metadata of x.safetensors is not a table of strings.'],
  ['metadata with a number', file('{"__metadata__":{"a":1}}', 0), 'The metadata of x.safetensors is not a table of strings.'],
  ['a tensor that is no object', file('{"a":1}', 0), 'Tensor a in x.safetensors is not described by an object.'],
  ['an unknown dtype', file(one(tensor('Q4', [1], [0, 4])), 4), 'Tensor a in x.safetensors has an unknown dtype, "Q4".'],
  ['no dtype', file('{"a":{"shape":[1],"data_offsets":[0,4]}}', 4), 'Tensor a in x.safetensors has an unknown dtype, none.'],
  [
    'a dtype of the prototype',
    file(one(tensor('constructor', [1], [0, 4])), 4),
    'Tensor a in x.safetensors has an unknown dtype, "constructor".',
  ],
  ['a negative extent', file(one(tensor('F32', [-1], [0, 4])), 4), 'Tensor a in x.safetensors has no valid shape: [-1].'],
  ['a fractional extent', file(one(tensor('F32', [0.5], [0, 2])), 2), 'Tensor a in x.safetensors has no valid shape: [0.5].'],
  ['no shape', file('{"a":{"dtype":"F32","data_offsets":[0,4]}}', 4), 'Tensor a in x.safetensors has no valid shape: none.'],
  [
    'nine dimensions',
    file(one(tensor('F32', [1, 1, 1, 1, 1, 1, 1, 1, 1], [0, 4])), 4),
    'Tensor a in x.safetensors has no valid shape: [1,1,1,1,1,1,1,1,1].',
  ],
  [
    'a shape that overflows',
    file(one(tensor('F32', [2 ** 40, 2 ** 40], [0, 4])), 4),
    'Tensor a in x.safetensors has a shape of 1099511627776 x 1099511627776 that no file can hold as F32.',
  ],
  ['half a byte', file(one(tensor('F4', [3], [0, 2])), 2), 'Tensor a in x.safetensors has a shape of 3 that no file can hold as F4.'],
  ['offsets backwards', file(one(tensor('F32', [1], [4, 0])), 4), 'Tensor a in x.safetensors has no valid data_offsets: [4,0].'],
  ['one offset', file(one(tensor('F32', [1], [4])), 4), 'Tensor a in x.safetensors has no valid data_offsets: [4].'],
  ['three offsets', file(one(tensor('F32', [1], [0, 4, 8])), 4), 'Tensor a in x.safetensors has no valid data_offsets: [0,4,8].'],
  ['offsets as text', file(one(tensor('F32', [1], ['0', '4'])), 4), 'Tensor a in x.safetensors has no valid data_offsets: ["0","4"].'],
  [
    'a size that lies',
    file(one(tensor('F32', [2, 3], [0, 16])), 16),
    'Tensor a in x.safetensors is F32 of 2 x 3, so 24 bytes, but its offsets span 16.',
  ],
  [
    'a scalar of the wrong size',
    file(one(tensor('F16', [], [0, 4])), 4),
    'Tensor a in x.safetensors is F16 of one element, so 2 bytes, but its offsets span 4.',
  ],
  ['overlapping offsets', file(two(f32(0, 8), f32(4, 12)), 12), 'Tensors a and b in x.safetensors overlap.'],
  ['the same bytes twice', file(two(f32(0, 8), f32(0, 8)), 8), 'Tensors a and b in x.safetensors overlap.'],
  ['a hole', file(two(f32(0, 4), f32(8, 12)), 12), '4 bytes before tensor b in x.safetensors belong to no tensor.'],
  ['a hole in front', file(one(f32(4, 8)), 8), '4 bytes before tensor a in x.safetensors belong to no tensor.'],
  [
    'data cut off',
    file(one(f32(0, 41_943_040)), 12),
    'The header of x.safetensors says 41,943,040 bytes of weights, the file holds 12. It was probably cut off while downloading.',
  ],
  [
    'bytes behind the end',
    file(one(f32(0, 4)), 5),
    'The header of x.safetensors says 4 bytes of weights, the file holds 5: the rest belongs to no tensor.',
  ],
]

describe('broken files', () => {
  it.each(broken)('%s', async (_what, source, message) => {
    const fault = await faultOf(() => readSafetensorsHeader(source))
    expect(fault.message).toBe(message)
    expect(fault).toMatchObject({ code: 'file-damaged', title: 'This file is damaged', details: { file: 'x.safetensors' } })
  })

  it('any cut of a sound file is noticed', async () => {
    const layout = safetensorsLayout([
      { name: 'a', dtype: 'F16', shape: [3, 5] },
      { name: 'b', dtype: 'F32', shape: [2] },
    ])
    const whole = new Uint8Array(layout.totalBytes)
    whole.set(layout.headerBytes)
    for (let length = 0; length < whole.length; length++) {
      const fault = await faultOf(() => readSafetensorsHeader(memorySource('cut', whole.subarray(0, length))))
      expect(fault.code).toBe('file-damaged')
    }
  })
})

describe('sound files', () => {
  it('the vector of the reference implementation', async () => {
    // Written by the safetensors wheel: one F16 tensor a = [1, -2].
    const hex =
      '58000000000000007b225f5f6d657461646174615f5f223a7b22666f726d6174223a227074227d2c2261223a7b226474797065223a22463136222c227368617065223a5b325d2c22646174615f6f666673657473223a5b302c345d7d7d202020003c00c0'
    const golden = Uint8Array.from(Buffer.from(hex, 'hex'))
    const header = await readSafetensorsHeader(memorySource('golden', golden))
    expect(header.metadata).toEqual({ format: 'pt' })
    expect(header.dataStart).toBe(96)
    expect(header.tensors.get('a')).toEqual({ name: 'a', dtype: 'F16', shape: [2], start: 96, end: 100 })
    // And byte for byte the other way.
    const layout = safetensorsLayout([{ name: 'a', dtype: 'F16', shape: [2] }], { format: 'pt' })
    expect(Buffer.from(layout.headerBytes).toString('hex')).toBe(hex.slice(0, 96 * 2))
    expect(layout.totalBytes).toBe(golden.length)
  })

  it('takes scalars, empty tensors, any order and no tensors', async () => {
    const header = await readSafetensorsHeader(
      file(`{"z":${tensor('I64', [], [0, 8])},"empty":${tensor('F32', [0, 7], [8, 8])},"y":${tensor('U8', [1], [8, 9])}}   `, 9),
    )
    expect([...header.tensors.keys()]).toEqual(['z', 'empty', 'y'])
    expect((await readSafetensorsHeader(file('{}', 0))).tensors.size).toBe(0)
  })

  it('reads the length and the header, nothing else', async () => {
    const source = countingSource(file(one(f32(0, 4000)), 4000))
    const header = await readSafetensorsHeader(source)
    expect(source.ranges).toEqual([
      [0, 8],
      [8, header.dataStart],
    ])
  })

  it('names of any kind survive writing and reading', async () => {
    const dtypes = ['F64', 'F32', 'F16', 'BF16', 'I8', 'U8', 'BOOL', 'I64', 'F8_E4M3'].filter(isSafetensorsDType)
    const spec = fc.record({
      name: fc.oneof(fc.string({ unit: 'binary', maxLength: 12 }), fc.constantFrom('__proto__', '0', '10', 'a.b', '"', '\\', '{', '}')),
      dtype: fc.constantFrom(...dtypes),
      shape: fc.array(fc.nat({ max: 5 }), { maxLength: 4 }),
    })
    const tensors = fc.uniqueArray(spec, { selector: ({ name }) => name, maxLength: 12 })
    const metadata = fc.dictionary(fc.string({ maxLength: 5 }), fc.string({ maxLength: 5 }), { maxKeys: 3, noNullPrototype: true })
    await fc.assert(
      fc.asyncProperty(tensors, metadata, async (given, facts) => {
        const wellFormed = given.filter(({ name }) => name !== '__metadata__')
        const layout = safetensorsLayout(wellFormed, facts)
        const bytes = new Uint8Array(layout.totalBytes)
        bytes.set(layout.headerBytes)
        expect(layout.headerBytes.length % 8).toBe(0)
        const header = await readSafetensorsHeader(memorySource('round', bytes))
        expect([...header.tensors.keys()].sort()).toEqual(wellFormed.map(({ name }) => name).sort())
        for (const { name, dtype, shape } of wellFormed) {
          const found = header.tensors.get(name)
          expect(found).toMatchObject({ dtype, shape, start: layout.offsets.get(name) })
        }
        expect(header.metadata).toEqual(facts)
      }),
      { numRuns: 200 },
    )
  })
})

describe('layout', () => {
  it('sorts by width, then by name, and refuses what cannot be written', () => {
    const layout = safetensorsLayout([
      { name: 'b', dtype: 'F16', shape: [1] },
      { name: 'c', dtype: 'I32', shape: [1] },
      { name: 'a', dtype: 'F16', shape: [1] },
    ])
    expect(layout.tensors.map(({ name }) => name)).toEqual(['c', 'a', 'b'])
    const u8 = { dtype: 'U8', shape: [1] } as const
    expect(() =>
      safetensorsLayout([
        { name: 'a', ...u8 },
        { name: 'a', ...u8 },
      ]),
    ).toThrow('unique')
    expect(() => safetensorsLayout([{ name: '__metadata__', ...u8 }])).toThrow('unique')
    expect(() => safetensorsLayout([{ name: 'a', dtype: 'F4', shape: [1] }])).toThrow('no whole number')
  })
})

describe('shard index', () => {
  it('gives files by tensor', () => {
    const index = parseShardIndex('{"metadata":{},"weight_map":{"b":"2","a":"1","c":"1"}}', 'index.json')
    expect(index.files).toEqual(['1', '2'])
    expect(index.fileOf.get('c')).toBe('1')
  })

  it.each([
    ['{', 'i is not valid JSON.'],
    ['null', 'i has no weight_map.'],
    ['{"weight_map":[]}', 'i has no weight_map.'],
    ['{"weight_map":{"a":1}}', 'i names no file for tensor a.'],
    ['{"weight_map":{"a":""}}', 'i names no file for tensor a.'],
    ['{"weight_map":{}}', 'i names no tensors.'],
  ])('%s', async (text, message) => {
    const fault = await faultOf(async () => parseShardIndex(text, 'i'))
    expect(fault).toMatchObject({ code: 'file-damaged', message })
  })

  it('knows the names of a set', () => {
    expect(shardSet('model-00002-of-00003.safetensors')).toEqual([1, 2, 3].map((i) => `model-0000${i}-of-00003.safetensors`))
    for (const name of [
      'model.safetensors',
      'model-1-of-2.safetensors',
      'model-00001-of-00000.safetensors',
      'm-00001-of-99999.safetensors',
    ]) {
      expect(shardSet(name)).toBeNull()
    }
  })
})

const stories = resolve(import.meta.dirname, '../../../../shared/models/stories260K/model.safetensors')
if (!existsSync(stories)) process.stderr.write('skipped: the header of stories260K, because ../shared is not here\n')

describe.skipIf(!existsSync(stories))('a real file', () => {
  it('is read as its own header says', async () => {
    const header = await readSafetensorsHeader(await nodeFileSource(stories))
    const length = new Uint8Array(8)
    readSync(openSync(stories, 'r'), length)
    expect(header.dataStart).toBe(8 + Number(new DataView(length.buffer).getBigUint64(0, true)))
    expect(header.tensors.size).toBe(47)
  })
})
