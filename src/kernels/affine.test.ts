import fc from 'fast-check'
import { expect, test } from 'vitest'
import { roundToHalf } from '../core/float16.ts'
import { packCodes, unpackCodes } from './reference/bit-stream.ts'
import { createReferenceKernels } from './reference/index.ts'
import { createWasmKernels } from './wasm/index.ts'

const reference = createReferenceKernels()
const wasm = await createWasmKernels()

const params = fc.record({
  bits: fc.integer({ min: 2, max: 8 }),
  isSymmetric: fc.boolean(),
  group: fc.oneof(fc.integer({ min: 1, max: 80 }), fc.constant('row' as const), fc.constant('tensor' as const)),
})
const finite = fc.float({ noNaN: true, noDefaultInfinity: true })
const matrix = fc
  .tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 90 }), fc.infiniteStream(finite))
  .map(([rows, columns, values]) => ({ rows, columns, data: Float32Array.from(values.take(rows * columns)) }))

test('WASM gives the bytes of the reference for any finite floats', async () => {
  await fc.assert(
    fc.asyncProperty(matrix, params, async (input, grid) => {
      const expected = await reference.quantizeAffine(input, grid)
      expect(await wasm.quantizeAffine(input, grid)).toEqual(expected)
      expect(await wasm.dequantizeAffine(expected)).toEqual(await reference.dequantizeAffine(expected))
    }),
    { numRuns: 300 },
  )
})

test('a value comes back within three quarters of a step', async () => {
  // Half a step of rounding, and what the range loses when the scale is rounded down to a half: at most 255 / 2^12 of a step.
  const weights = fc
    .tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 70 }), fc.infiniteStream(fc.float({ min: -8, max: 8, noNaN: true })))
    .map(([rows, columns, values]) => ({
      rows,
      columns,
      // Scales stay in the normal range of a half.
      data: Float32Array.from(values.take(rows * columns), (value, index) => (index % columns === 0 ? value + Math.sign(value) : value)),
    }))
  await fc.assert(
    fc.asyncProperty(weights, params, async (input, grid) => {
      const tensor = await wasm.quantizeAffine(input, grid)
      const values = await wasm.dequantizeAffine(tensor)
      const step = Math.max(...tensor.scales)
      for (const [i, value] of values.entries()) expect(Math.abs(value - (input.data[i] ?? 0))).toBeLessThanOrEqual(0.75 * step)
    }),
    { numRuns: 200 },
  )
})

test('scales are halves, never 0', async () => {
  await fc.assert(
    fc.asyncProperty(matrix, params, async (input, grid) => {
      const { scales } = await wasm.quantizeAffine(input, grid)
      for (const scale of scales) {
        expect(scale).toBeGreaterThan(0)
        expect(scale).toBe(roundToHalf(scale))
      }
    }),
    { numRuns: 100 },
  )
})

test('codes of any width come back from their bit stream', () => {
  const streams = fc
    .integer({ min: 1, max: 8 })
    .chain((bits) => fc.tuple(fc.constant(bits), fc.uint8Array({ max: (1 << bits) - 1, maxLength: 70 })))
  fc.assert(
    fc.property(streams, ([bits, codes]) => {
      const packed = new Uint8Array(Math.ceil((codes.length * bits) / 8))
      packCodes(codes, bits, packed)
      const back = new Uint8Array(codes.length)
      unpackCodes(packed, bits, back)
      expect(back).toEqual(codes)
    }),
  )
})

test('the bit stream begins with the least significant bit', () => {
  const packed = new Uint8Array(2)
  packCodes(Uint8Array.of(0b001, 0b010, 0b111, 0b100), 3, packed)
  expect([...packed]).toEqual([0b11_010_001, 0b0000_100_1])
})

test('the rule by hand: [-1, 2] at 2 bits', async () => {
  const tensor = await reference.quantizeAffine(
    { data: Float32Array.of(-1, 0, 0.4, 2), rows: 1, columns: 4 },
    { bits: 2, isSymmetric: false, group: 'row' },
  )
  expect(tensor.scales[0]).toBe(1)
  expect(tensor.zeroPoints[0]).toBe(1)
  expect([...tensor.codes]).toEqual([0b11_01_01_00])
  expect([...(await reference.dequantizeAffine(tensor))]).toEqual([-1, 0, 0, 2])
})
