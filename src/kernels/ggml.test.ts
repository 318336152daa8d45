import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createRandom, type Random } from '../core/random.ts'
import { type GgmlType, ggmlInputs, ggmlTypes } from './contract/ggml.ts'
import { createReferenceKernels } from './reference/index.ts'
import { createWasmKernels } from './wasm/index.ts'

const reference = createReferenceKernels()
const wasm = await createWasmKernels()
const types = Object.keys(ggmlTypes) as GgmlType[]

const value = fc.oneof(
  fc.float({ noNaN: true, noDefaultInfinity: true }),
  fc.float({ min: -4, max: 4, noNaN: true }),
  fc.constantFrom(0, -0, 0.5, -0.5),
)
const weight = fc.oneof(fc.constant(0), fc.float({ min: 0, max: 8, noNaN: true }))
const floats = (values: fc.Arbitrary<number>, length: number) =>
  fc.array(values, { minLength: length, maxLength: length }).map((array) => Float32Array.from(array))

test.each(types)(
  '%s: WASM gives the bytes of the reference for any finite floats and importances',
  async (type) => {
    const columns = Math.max(32, ggmlTypes[type].blockSize)
    await fc.assert(
      fc.asyncProperty(floats(value, columns), floats(weight, columns), async (data, importance) => {
        const input = { data, rows: 1, columns }
        const weighted = await reference.quantizeGgml(input, type, { importance })
        expect(await wasm.quantizeGgml(input, type, { importance })).toEqual(weighted)
        expect(await wasm.dequantizeGgml(weighted, input, type)).toEqual(await reference.dequantizeGgml(weighted, input, type))
        if (ggmlTypes[type].needsImportance === true) return
        const plain = await reference.quantizeGgml(input, type)
        expect(await wasm.quantizeGgml(input, type)).toEqual(plain)
        expect(await wasm.dequantizeGgml(plain, input, type)).toEqual(await reference.dequantizeGgml(plain, input, type))
      }),
      { numRuns: columns === 256 ? 60 : 200 },
    )
  },
  20_000,
)

// Roundings decide these: most of a weight is common to all, or weights are so small that products of them are rounded to nothing.
test.each([
  ['far from 0', (random: Random) => 100 + random.next()],
  ['nearly the same', (random: Random) => 0.5 + 1e-6 * random.next()],
  ['of all magnitudes', (random: Random, index: number) => (random.next() - 0.5) * 10 ** ((Math.floor(index / 32) % 30) - 25)],
])('the search for scales passes over no better one where weights are %s', async (_, weightOf) => {
  const random = createRandom(7)
  const input = { data: Float32Array.from({ length: 2 ** 15 }, (_, i) => weightOf(random, i)), rows: 16, columns: 2048 }
  const importance = Float32Array.from({ length: 2048 }, () => (random.next() < 0.1 ? 0 : Math.exp(6 * random.next())))
  for (const type of ['Q2_K', 'Q4_K', 'Q5_K'] as const) {
    for (const options of [{}, { importance }]) {
      const [found, wanted] = await Promise.all([wasm, reference].map((kernels) => kernels.quantizeGgml(input, type, options)))
      expect(Buffer.compare(found ?? new Uint8Array(), wanted ?? new Uint8Array()), type).toBe(0)
    }
  }
})

test('any half decodes alike, NaN and infinity too', async () => {
  const blocks = new Uint8Array(Uint16Array.from({ length: 65536 }, (_, half) => half).buffer)
  const shape = { rows: 256, columns: 256 }
  const bits = async (kernels: typeof wasm) => Buffer.from((await kernels.dequantizeGgml(blocks, shape, 'F16')).buffer)
  const [a, b] = [await bits(wasm), await bits(reference)]
  // A signalling NaN may become a quiet one on its way through a JavaScript number.
  const wrong = Array.from({ length: 65536 }, (_, half) => half).filter(
    (half) => !Object.is(a.readFloatLE(half * 4), b.readFloatLE(half * 4)),
  )
  expect(wrong).toEqual([])
})

/** Block of x_j = (j - 16) / 8 and the bytes libggml gives for it. */
test.each([
  ['Q4_0', '0034809191a2a2b3b3c4c4d5d5e6e6f7f7f8'],
  ['Q4_1', '223400c080809191a2a2b3b3c4c4d5d5e6e6f7f7'],
  ['Q5_0', '00300000ffff00112233445566778899aabbccddeeff'],
  ['Q5_1', '003000c00000ffff00112233445566778899aabbccddeeff'],
  ['IQ4_NL', 'fa23809091a1b1b2c2c3d3d4e4e5e5f6f6f7'],
  ['MXFP4', '7e0e0e1d1d2d2d3c3c4c4b4b5a5a595960'],
  ['Q8_0', '082481899199a1a9b1b9c0c8d0d8e0e8f0f8000810182028303840474f575f676f77'],
] as const)('%s of a ramp', async (type, expected) => {
  const ramp = { data: Float32Array.from({ length: 32 }, (_, j) => (j - 16) / 8), rows: 1, columns: 32 }
  for (const kernels of [reference, wasm]) {
    expect(Buffer.from(await kernels.quantizeGgml(ramp, type)).toString('hex')).toBe(expected)
  }
})

test.each([
  ['one too few', new Float32Array(31), /31 elements/],
  ['negative', new Float32Array(32).fill(1).fill(-1, 7, 8), /importance of column 7 is -1/],
  ['not a number', new Float32Array(32).fill(Number.NaN, 3), /importance of column 3 is NaN/],
])('an importance matrix that is %s is refused', async (_, importance, message) => {
  const input = { data: new Float32Array(32), rows: 1, columns: 32 }
  for (const kernels of [reference, wasm]) await expect(kernels.quantizeGgml(input, 'Q4_0', { importance })).rejects.toThrow(message)
})

/** `ggml_quantize_requires_imatrix` */
test('types that libggml quantizes only by importance are refused without', async () => {
  const needing = types.filter((type) => ggmlTypes[type].needsImportance === true)
  expect(needing).toEqual(['IQ2_XXS', 'IQ2_XS', 'IQ1_S'])
  const input = { data: new Float32Array(256).fill(1), rows: 1, columns: 256 }
  for (const type of needing) {
    for (const kernels of [reference, wasm]) {
      await expect(kernels.quantizeGgml(input, type)).rejects.toMatchObject({ code: 'recipe-invalid', details: { type } })
      expect(await kernels.quantizeGgml(input, type, { importance: new Float32Array(256).fill(1) })).toHaveLength(
        ggmlTypes[type].blockBytes,
      )
    }
  }
})

test('a block of zeros keeps the sign of its scale as libggml does: -0 for Q4_0', async () => {
  const zeros = { data: new Float32Array(32), rows: 1, columns: 32 }
  for (const kernels of [reference, wasm]) expect([...(await kernels.quantizeGgml(zeros, 'Q4_0')).subarray(0, 2)]).toEqual([0, 0x80])
})

describe('four blocks side by side', () => {
  /** Blocks of 32 that differ in how their range is found: both signs, one sign, zeros of either sign first, one value. */
  const blockKinds: readonly ((i: number) => number)[] = [
    (i) => (i % 7) - 3.25,
    (i) => 1 + (i % 5),
    (i) => -1 - (i % 5),
    (i) => (i % 3 === 0 ? -0 : i / 32),
    (i) => (i % 3 === 0 ? 0 : -i / 32),
    (i) => (i % 2 === 0 ? -3.4e38 : 3.4e38),
    () => 0.25,
    () => -0,
  ]

  test.each(['Q4_1', 'Q5_1'] as const)('%s: every kind of block beside every other, in every number of blocks', async (type) => {
    for (let blocks = 1; blocks <= 9; blocks++) {
      for (let shift = 0; shift < blockKinds.length; shift++) {
        const data = Float32Array.from({ length: 32 * blocks }, (_, i) => {
          const kind = blockKinds[(Math.floor(i / 32) * 3 + shift) % blockKinds.length]
          return kind?.(i % 32) ?? Number.NaN
        })
        const input = { data, rows: 1, columns: 32 * blocks }
        expect(await wasm.quantizeGgml(input, type)).toEqual(await reference.quantizeGgml(input, type))
      }
    }
  })

  test.each(['Q4_1', 'Q5_1'] as const)(
    '%s: a weight that is not finite is refused wherever it is, and shows in no later call',
    async (type) => {
      const clean = { data: new Float32Array(160).fill(0.5), rows: 1, columns: 160 }
      const expected = await reference.quantizeGgml(clean, type)
      for (const value of [Number.NaN, Infinity, -Infinity]) {
        for (let column = 0; column < 160; column += 31) {
          const data = clean.data.slice()
          data[column] = value
          await expect(wasm.quantizeGgml({ ...clean, data }, type)).rejects.toMatchObject({
            code: 'weights-not-finite',
            details: { column },
          })
          expect(await wasm.quantizeGgml(clean, type)).toEqual(expected)
        }
      }
    },
  )
})

describe('inputs of matrices in llama.cpp on processors', () => {
  // `vec_dot_type` of ggml-cpu.c in the llama.cpp of llama-cpp-python 0.3.36; Q8_1 beside Q8_0 keeps sums, and rounds alike.
  const inputTypes: Readonly<Record<GgmlType, 'F32' | 'F16' | 'Q8_0' | 'Q8_1' | 'Q8_K'>> = {
    F32: 'F32',
    F16: 'F16',
    Q4_0: 'Q8_0',
    Q4_1: 'Q8_1',
    Q5_0: 'Q8_0',
    Q5_1: 'Q8_1',
    Q8_0: 'Q8_0',
    Q2_K: 'Q8_K',
    Q3_K: 'Q8_K',
    Q4_K: 'Q8_K',
    Q5_K: 'Q8_K',
    Q6_K: 'Q8_K',
    IQ2_XXS: 'Q8_K',
    IQ2_XS: 'Q8_K',
    IQ3_XXS: 'Q8_K',
    IQ1_S: 'Q8_K',
    IQ4_NL: 'Q8_0',
    IQ3_S: 'Q8_K',
    IQ2_S: 'Q8_K',
    IQ4_XS: 'Q8_K',
    IQ1_M: 'Q8_K',
    TQ1_0: 'Q8_K',
    TQ2_0: 'Q8_K',
    MXFP4: 'Q8_0',
    NVFP4: 'Q8_0',
  }
  const q8 = { kind: 'int8-blocks', columns: 32, scale: 'half' }
  const roundings = {
    F32: { kind: 'none' },
    F16: { kind: 'half' },
    Q8_0: q8,
    Q8_1: q8,
    Q8_K: { kind: 'int8-blocks', columns: 256, scale: 'float' },
  }

  test.each(types)('%s', (type) => {
    expect(ggmlInputs(type)).toEqual(roundings[inputTypes[type]])
  })
})
