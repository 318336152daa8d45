import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { StudioError } from '../../core/errors.ts'
import type { ByteSource } from '../../io/byte-source.ts'
import { encodeMetadata, layoutGguf } from './layout.ts'
import { readGguf } from './read.ts'
import { type GgufEntry, type GgufScalarType, type GgufTensorTypeName, tensorTypes } from './types.ts'
import { writeGguf } from './write.ts'

const sourceOf = (bytes: Uint8Array): ByteSource => ({
  name: 'test.gguf',
  sizeBytes: bytes.length,
  read: async (start, end) => new Uint8Array(bytes.slice(start, end)),
})

async function join(pieces: AsyncIterable<Uint8Array<ArrayBuffer>>): Promise<Uint8Array<ArrayBuffer>> {
  const all: Uint8Array<ArrayBuffer>[] = []
  for await (const piece of pieces) all.push(piece)
  return new Uint8Array(await new Blob(all).arrayBuffer())
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

/** The 288-byte file that ggml's own reader accepts: two metadata values, an F32 vector, one Q4_0 block. */
const tinyFile = `
474755460300000002000000000000000300000000000000140000000000000067656e6572616c2e6172636869746563
747572650800000005000000000000006c6c616d61110000000000000067656e6572616c2e616c69676e6d656e740400
0000200000000300000000000000742e6109000000050000000200000000000000010000000200000001000000000000
006101000000020000000000000000000000000000000000000001000000000000006202000000200000000000000001
00000000000000020000002000000000000000000000000000000000000000000000803f000000c00000000000000000
000000000000000000000000000000000034809191a2a2b3b3c4c4d5d5e6e6f7f7f80000000000000000000000000000`.replaceAll(/\s/g, '')
const tinyMetadata: GgufEntry[] = [
  { key: 'general.architecture', value: { type: 'string', value: 'llama' } },
  { key: 'general.alignment', value: { type: 'u32', value: 32 } },
  { key: 't.a', value: { type: 'array', of: 'i32', value: [1, 2] } },
]
const rampBlock = Buffer.from('0034809191a2a2b3b3c4c4d5d5e6e6f7f7f8', 'hex')

describe('GGUF container', () => {
  it('writes the file that ggml reads, byte for byte', async () => {
    const layout = layoutGguf(
      [encodeMetadata(tinyMetadata)],
      [
        { name: 'a', type: 'F32', shape: [2] },
        { name: 'b', type: 'Q4_0', shape: [1, 32] },
      ],
    )
    const data = [new Uint8Array(new Float32Array([1, -2]).buffer), new Uint8Array(rampBlock)]
    const bytes = await join(
      writeGguf(layout, async function* (_tensor, index) {
        yield data[index] ?? new Uint8Array()
      }),
    )
    expect(hex(bytes)).toBe(tinyFile)
    expect(layout.sizeBytes).toBe(288)
  })

  it('reads that file', async () => {
    const file = await readGguf(sourceOf(Buffer.from(tinyFile, 'hex')))
    expect(file.metadata).toEqual(tinyMetadata)
    expect(file.tensors).toEqual([
      { name: 'a', type: 'F32', shape: [2], offset: 224, sizeBytes: 8 },
      { name: 'b', type: 'Q4_0', shape: [1, 32], offset: 256, sizeBytes: 18 },
    ])
  })

  it('gives back any metadata and tensors', async () => {
    await fc.assert(
      fc.asyncProperty(entries, tensors, async (metadata, specs) => {
        const layout = layoutGguf([encodeMetadata(metadata.slice(0, 2)), encodeMetadata(metadata.slice(2))], specs)
        const fill = (index: number, sizeBytes: number) => new Uint8Array(sizeBytes).fill(index + 1)
        const bytes = await join(
          writeGguf(layout, async function* (tensor, index) {
            const whole = fill(index, tensor.sizeBytes)
            const middle = Math.floor(whole.length / 2)
            yield whole.slice(0, middle)
            yield whole.slice(middle)
          }),
        )
        expect(bytes.length).toBe(layout.sizeBytes)
        const file = await readGguf(sourceOf(bytes))
        expect(file.metadata).toEqual(metadata)
        expect(file.tensors).toEqual(layout.tensors)
        for (const [index, tensor] of file.tensors.entries()) {
          expect(tensor.offset % 32).toBe(0)
          expect(bytes.slice(tensor.offset, tensor.offset + tensor.sizeBytes)).toEqual(fill(index, tensor.sizeBytes))
        }
      }),
      { numRuns: 60 },
    )
  })

  it('reads a header longer than its first read', async () => {
    const tokens = Array.from({ length: 40_000 }, (_, index) => `token number ${index} of many`)
    const metadata: GgufEntry[] = [{ key: 'tokens', value: { type: 'array', of: 'string', value: tokens } }]
    const layout = layoutGguf([encodeMetadata(metadata)], [])
    expect(layout.dataStart).toBeGreaterThan(1024 * 1024)
    const file = await readGguf(sourceOf(layout.header()))
    expect(file.metadata).toEqual(metadata)
  })

  it('stops when a tensor is shorter or longer than planned', async () => {
    const layout = layoutGguf([], [{ name: 'a', type: 'F32', shape: [4] }])
    for (const size of [12, 20]) {
      const pieces = writeGguf(layout, async function* () {
        yield new Uint8Array(size)
      })
      await expect(join(pieces)).rejects.toThrow(/16 bytes in the plan/)
    }
  })
})

describe('GGUF layout guards', () => {
  it.each([
    ['a repeated key', () => layoutGguf([encodeMetadata(tinyMetadata), encodeMetadata(tinyMetadata.slice(0, 1))], []), /occurs twice/],
    ['a repeated tensor', () => layoutGguf([], [a32, a32]), /occurs twice/],
    ['an empty key', () => encodeMetadata([{ key: '', value: { type: 'bool', value: true } }]), /0 bytes/],
    ['a long tensor name', () => layoutGguf([], [{ ...a32, name: 'x'.repeat(64) }]), /64 bytes/],
    ['no dimensions', () => layoutGguf([], [{ ...a32, shape: [] }]), /shape \[\]/],
    ['part of a block', () => layoutGguf([], [{ name: 'a', type: 'Q8_0', shape: [2, 33] }]), /do not divide/],
    ['an integer out of range', () => encodeMetadata([{ key: 'k', value: { type: 'u8', value: 256 } }]), /does not fit u8/],
    ['a fraction as integer', () => encodeMetadata([{ key: 'k', value: { type: 'u32', value: 1.5 } }]), /integer \(u32\)/],
    ['a text as number', () => encodeMetadata([{ key: 'k', value: { type: 'f32', value: '1' } }]), /number is expected/],
    ['a number as text', () => encodeMetadata([{ key: 'k', value: { type: 'string', value: 1 } }]), /string is expected/],
    ['a number as boolean', () => encodeMetadata([{ key: 'k', value: { type: 'bool', value: 1 } }]), /boolean is expected/],
  ])('refuses %s', (_what, attempt, message) => {
    expect(attempt).toThrow(StudioError)
    expect(attempt).toThrow(message)
  })
})

describe('GGUF reader guards', () => {
  const tiny = Buffer.from(tinyFile, 'hex')
  /** The tiny file with bytes replaced. */
  const patched = (at: number, ...bytes: number[]) => {
    const copy = Uint8Array.from(tiny)
    copy.set(bytes, at)
    return copy
  }
  /** Where the tensor entries start: after the value of `t.a`. */
  const tensorA = tiny.indexOf(Buffer.from('0100000000000000610100', 'hex'))
  const at = (needle: string) => tiny.indexOf(Buffer.from(needle))

  it.each([
    ['another magic', patched(0, 0x50), /letters GGUF/],
    ['version 1', patched(4, 1), /version 1/],
    ['big endian', patched(4, 0, 0, 0, 3), /big-endian/],
    ['too many tensors', patched(8, 0xff, 0xff, 0xff), /more than the file can hold/],
    ['a huge count', patched(16, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), /too large/],
    ['an unknown value type', patched(at('architecture') + 12, 13), /type 13 is unknown/],
    ['an alignment that is no power of two', patched(at('alignment') + 13, 24), /power of two/],
    ['an array of arrays', patched(at('t.a') + 7, 9), /array of arrays/],
    ['invalid text', patched(at('llama'), 0xff), /UTF-8/],
    ['zero dimensions', patched(tensorA + 9, 0), /0 dimensions/],
    ['an unknown tensor type', patched(tensorA + 21, 4), /unknown type 4/],
    ['an offset with a gap', patched(tensorA + 33 + 33, 64), /should start at 32/],
    ['a repeated tensor name', patched(tensorA + 33 + 8, 0x61), /occurs twice/],
    ['part of a block', patched(tensorA + 33 + 13, 31), /whole number of Q4_0/],
    ['data cut off', tiny.subarray(0, 260), /need 274 bytes/],
    ['a header cut off', tiny.subarray(0, 150), /ends inside its header|more than the file can hold/],
    ['a header cut off in its counts', tiny.subarray(0, 20), /ends inside its header|more than the file can hold/],
  ])('refuses %s', async (_what, bytes, message) => {
    const attempt = readGguf(sourceOf(bytes))
    await expect(attempt).rejects.toMatchObject({ code: 'file-damaged' })
    await expect(attempt).rejects.toThrow(message)
  })

  it('refuses a repeated key', async () => {
    const twice = [...tinyMetadata.slice(0, 1), { key: 'general.architecturE', value: { type: 'string' as const, value: 'x' } }]
    const header = layoutGguf([encodeMetadata(twice)], []).header()
    header[Buffer.from(header).indexOf('architecturE') + 11] = 0x65
    await expect(readGguf(sourceOf(header))).rejects.toThrow(/occurs twice/)
  })

  it('refuses a boolean that is neither 0 nor 1', async () => {
    const header = layoutGguf([encodeMetadata([{ key: 'flag', value: { type: 'bool', value: true } }])], []).header()
    header[24 + 8 + 4 + 4] = 2
    await expect(readGguf(sourceOf(header))).rejects.toThrow(/boolean has the value 2/)
  })
})

const a32 = { name: 'a', type: 'F32' as const, shape: [4] }

const scalarOf: Record<GgufScalarType, fc.Arbitrary<number | bigint | boolean | string>> = {
  u8: fc.integer({ min: 0, max: 255 }),
  i8: fc.integer({ min: -128, max: 127 }),
  u16: fc.integer({ min: 0, max: 65_535 }),
  i16: fc.integer({ min: -32_768, max: 32_767 }),
  u32: fc.integer({ min: 0, max: 4_294_967_295 }),
  i32: fc.integer(),
  f32: fc.float({ noNaN: true }),
  bool: fc.boolean(),
  string: fc.string({ unit: 'grapheme', maxLength: 12 }),
  u64: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  i64: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  f64: fc.double({ noNaN: true }),
}
const scalarTypes = Object.keys(scalarOf) as GgufScalarType[]
const value = fc.oneof(
  fc.constantFrom(...scalarTypes).chain((type) => scalarOf[type].map((each) => ({ type, value: each }))),
  fc
    .constantFrom(...scalarTypes)
    .chain((of) => fc.array(scalarOf[of], { maxLength: 6 }).map((each) => ({ type: 'array' as const, of, value: each }))),
)
const entries: fc.Arbitrary<GgufEntry[]> = fc.uniqueArray(
  fc
    .record({ key: fc.stringMatching(/^[a-z][a-z0-9_.]{0,20}$/), value })
    .filter((entry) => entry.key !== 'general.alignment')
    .map((entry): GgufEntry => entry),
  { selector: (entry) => entry.key, maxLength: 6 },
)
const tensors = fc.uniqueArray(
  fc
    .record({
      name: fc.stringMatching(/^[a-z][a-z0-9_.]{0,30}$/),
      type: fc.constantFrom(...(Object.keys(tensorTypes) as GgufTensorTypeName[])),
      outer: fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 3 }),
      blocks: fc.integer({ min: 1, max: 3 }),
    })
    .map(({ name, type, outer, blocks }) => ({ name, type, shape: [...outer, blocks * tensorTypes[type].blockSize] })),
  { selector: (spec) => spec.name, maxLength: 5 },
)
