import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { sampleMatrix } from './conformance/inputs.ts'
import { createReferenceKernels } from './reference/index.ts'
import { createWasmKernels } from './wasm/index.ts'

const reference = createReferenceKernels()
const wasm = await createWasmKernels()

const params = fc.record({
  bits: fc.integer({ min: 2, max: 8 }),
  isSymmetric: fc.boolean(),
  group: fc.oneof(fc.integer({ min: 1, max: 80 }), fc.constant('row' as const)),
  clip: fc.constant('mse' as const),
})

test('WASM finds the ranges of the reference for any finite floats', async () => {
  const finite = fc.float({ noNaN: true, noDefaultInfinity: true })
  const matrix = fc
    .tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 70 }), fc.infiniteStream(finite))
    .map(([rows, columns, values]) => ({ rows, columns, data: Float32Array.from(values.take(rows * columns)) }))
  await fc.assert(
    fc.asyncProperty(matrix, params, async (input, grid) => {
      expect(await wasm.quantizeAffine(input, grid)).toEqual(await reference.quantizeAffine(input, grid))
    }),
    { numRuns: 100 },
  )
})

/** 3 bit, groups of 64, MSE, by GPTQ's authors; the first group, whose range they take from weights as they are. */
describe("against the first group of a matrix that GPTQ's authors quantized", () => {
  const floats = (name: string): Float32Array<ArrayBuffer> =>
    new Float32Array(new Uint8Array(readFileSync(new URL(`./conformance/golden/${name}`, import.meta.url))).buffer)
  const shape = { rows: 48, columns: 64 }
  const expected = floats('clip.dequant.f32')

  test.each([
    ['mse', 48],
    ['none', 0],
  ] as const)('clip %s puts %i of 48 rows on their grid', async (clip, count) => {
    const grid = { bits: 3, isSymmetric: false, group: 'row', clip } as const
    const { scales } = await wasm.quantizeAffine({ ...shape, data: floats('clip.input.f32') }, grid)
    const isOnGrid = [...scales].map((scale, row) =>
      expected
        .subarray(row * 64, (row + 1) * 64)
        .every((value) => Math.abs(value / scale - Math.trunc(value / scale + Math.sign(value) / 2)) < 0.01),
    )
    expect(isOnGrid.filter(Boolean)).toHaveLength(count)
  })

  test('the first column, which no error has reached yet, is the same', async () => {
    const grid = { bits: 3, isSymmetric: false, group: 'row', clip: 'mse' } as const
    const values = await wasm.dequantizeAffine(await wasm.quantizeAffine({ ...shape, data: floats('clip.input.f32') }, grid))
    for (let row = 0; row < 48; row++) {
      const value = expected[row * 64] ?? 0
      expect(Math.abs((values[row * 64] ?? 0) - value)).toBeLessThanOrEqual(2 ** -11 * Math.abs(value))
    }
  })
})

test('the search never loses to the whole range by its own measure', async () => {
  for (const kind of ['normal', 'heavy tails', 'one outlier'] as const) {
    const input = sampleMatrix(kind, 8, 128)
    const costs = await Promise.all(
      (['none', 'mse'] as const).map(async (clip) => {
        const values = await wasm.dequantizeAffine(await wasm.quantizeAffine(input, { bits: 3, isSymmetric: false, group: 'row', clip }))
        return Array.from({ length: 8 }, (_, row) =>
          values
            .subarray(row * 128, (row + 1) * 128)
            .reduce((sum, value, i) => sum + Math.abs(value - (input.data[row * 128 + i] ?? 0)) ** 2.4, 0),
        )
      }),
    )
    // Stored scales are halves: worth a thousandth at most.
    for (const [row, cost] of (costs[1] ?? []).entries()) expect(cost).toBeLessThanOrEqual((costs[0]?.[row] ?? 0) * 1.001)
  }
})

test('a clip search over a whole matrix is refused', async () => {
  const input = sampleMatrix('normal', 2, 8)
  await expect(wasm.quantizeAffine(input, { bits: 4, isSymmetric: false, group: 'tensor', clip: 'mse' })).rejects.toMatchObject({
    code: 'internal',
    message: expect.stringContaining('by row or group') as string,
  })
})
