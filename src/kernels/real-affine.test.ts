import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { roundToHalf } from '../core/float16.ts'
import { sampleMatrix } from './conformance/inputs.ts'
import type { Kernels, Matrix } from './contract/kernels.ts'
import type { RealAffineFit } from './contract/real-affine.ts'
import { createReferenceKernels } from './reference/index.ts'
import { packTrits, unpackTrits } from './reference/trits.ts'
import { createWasmKernels } from './wasm/index.ts'

const reference = createReferenceKernels()
const wasm = await createWasmKernels()

const fits: readonly Omit<RealAffineFit, 'group'>[] = [
  { levels: 2, isSymmetric: true, fit: 'mean' },
  { levels: 2, isSymmetric: false, fit: 'mean' },
  { levels: 3, isSymmetric: true, fit: 'mean' },
  { levels: 4, isSymmetric: false, fit: 'half-quadratic' },
  { levels: 16, isSymmetric: false, fit: 'half-quadratic' },
  { levels: 256, isSymmetric: false, fit: 'half-quadratic' },
]
const rowOf = (...values: readonly number[]): Matrix => ({ data: Float32Array.from(values), rows: 1, columns: values.length })

async function squaredError(kernels: Kernels, input: Matrix, fit: RealAffineFit): Promise<number> {
  const values = await kernels.dequantizeRealAffine(await kernels.quantizeRealAffine(input, fit))
  return (await kernels.compareWeights(input.data, values)).squaredError
}

test('WASM gives the bytes of the reference for any finite floats', async () => {
  const finite = fc.float({ noNaN: true, noDefaultInfinity: true })
  const matrix = fc
    .tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 70 }), fc.infiniteStream(finite))
    .map(([rows, columns, values]) => ({ rows, columns, data: Float32Array.from(values.take(rows * columns)) }))
  const group = fc.oneof(fc.integer({ min: 1, max: 80 }), fc.constant('row' as const))
  await fc.assert(
    fc.asyncProperty(matrix, fc.constantFrom(...fits), group, async (input, fit, columns) => {
      const expected = await reference.quantizeRealAffine(input, { ...fit, group: columns })
      expect(await wasm.quantizeRealAffine(input, { ...fit, group: columns })).toEqual(expected)
      const values = await reference.dequantizeRealAffine(expected)
      expect(await wasm.dequantizeRealAffine(expected)).toEqual(values)
      expect(values.every(Number.isFinite)).toBe(true)
    }),
    { numRuns: 300 },
  )
})

describe('by hand', () => {
  test('two values of the mean magnitude', async () => {
    const tensor = await reference.quantizeRealAffine(rowOf(-1, 0.5, 2.5, 0), { levels: 2, isSymmetric: true, group: 'row', fit: 'mean' })
    expect([...tensor.scales]).toEqual([2])
    expect(tensor.zeroPoints).toHaveLength(0)
    expect([...tensor.codes]).toEqual([0b0110])
    expect([...(await reference.dequantizeRealAffine(tensor))]).toEqual([-1, 1, 1, -1])
  })

  test('two values about the mean', async () => {
    const tensor = await reference.quantizeRealAffine(rowOf(1, 1, 3, 3), { levels: 2, isSymmetric: false, group: 'row', fit: 'mean' })
    expect([...(await reference.dequantizeRealAffine(tensor))]).toEqual([1, 1, 3, 3])
  })

  test('three values, five to a byte', async () => {
    const tensor = await reference.quantizeRealAffine(rowOf(-2, 0, 2, 0.25, 0.75, 1), {
      levels: 3,
      isSymmetric: true,
      group: 'row',
      fit: 'mean',
    })
    expect([...tensor.scales]).toEqual([1])
    // 0 1 2 1 2 | 2 in base 3, first digit least.
    expect([...tensor.codes]).toEqual([0 + 3 + 18 + 27 + 162, 2])
    expect([...(await reference.dequantizeRealAffine(tensor))]).toEqual([-1, 0, 1, 0, 1, 1])
  })

  test('a zero point between two codes', async () => {
    const fit = { levels: 4, isSymmetric: false, group: 'row', fit: 'half-quadratic' } as const
    const tensor = await reference.quantizeRealAffine(rowOf(-0.125, 0.125, 0.375, 0.625), fit)
    expect([...tensor.scales]).toEqual([0.25])
    expect([...tensor.zeroPoints]).toEqual([0.5])
    expect([...(await reference.dequantizeRealAffine(tensor))]).toEqual([-0.125, 0.125, 0.375, 0.625])
  })
})

test.each([2, 3, 4, 8])('at %i bits the fitted zero point costs less than the nearest code', async (bits) => {
  for (const kind of ['normal', 'bfloat16 weights'] as const) {
    const input = sampleMatrix(kind, 16, 256)
    const affine = await wasm.dequantizeAffine(await wasm.quantizeAffine(input, { bits, isSymmetric: false, group: 64 }))
    const { squaredError: nearest } = await wasm.compareWeights(input.data, affine)
    expect(await squaredError(wasm, input, { levels: 2 ** bits, isSymmetric: false, group: 64, fit: 'half-quadratic' })).toBeLessThan(
      0.97 * nearest,
    )
  }
})

test('the mean magnitude is the best scale for two opposite values', async () => {
  const input = sampleMatrix('heavy tails', 1, 128)
  const { scales } = await wasm.quantizeRealAffine(input, { levels: 2, isSymmetric: true, group: 'row', fit: 'mean' })
  const magnitude = (scales[0] ?? 0) / 2
  const costOf = (m: number): number => input.data.reduce((sum, w) => sum + (Math.abs(w) - m) ** 2, 0)
  for (const factor of [0.9, 0.99, 1.01, 1.1]) expect(costOf(magnitude)).toBeLessThan(costOf(factor * magnitude))
})

test('a group far from 0 keeps its values to a thousandth', async () => {
  for (const fit of fits.filter(({ isSymmetric }) => !isSymmetric)) {
    const input = rowOf(...Array.from({ length: 32 }, (_, i) => 0.7 + (i % 2) * 1e-6))
    const values = await wasm.dequantizeRealAffine(await wasm.quantizeRealAffine(input, { ...fit, group: 'row' }))
    for (const value of values) expect(Math.abs(value - 0.7)).toBeLessThan(7e-4)
  }
})

test('scales and zero points are halves', async () => {
  const { scales, zeroPoints } = await wasm.quantizeRealAffine(sampleMatrix('normal', 8, 64), {
    levels: 16,
    isSymmetric: false,
    group: 16,
    fit: 'half-quadratic',
  })
  for (const value of [...scales, ...zeroPoints]) expect(value).toBe(roundToHalf(value))
})

test('trits of any number come back', () => {
  fc.assert(
    fc.property(fc.uint8Array({ max: 2, maxLength: 40 }), (codes) => {
      const packed = new Uint8Array(Math.ceil(codes.length / 5))
      packTrits(codes, packed)
      const back = new Uint8Array(codes.length)
      unpackTrits(packed, back)
      expect(back).toEqual(codes)
    }),
  )
})

test.each([
  [{ levels: 5, isSymmetric: false, fit: 'half-quadratic' }, 'not 5'],
  [{ levels: 512, isSymmetric: false, fit: 'half-quadratic' }, 'not 512'],
  [{ levels: 1, isSymmetric: true, fit: 'mean' }, 'not 1'],
  [{ levels: 3, isSymmetric: false, fit: 'mean' }, '3 levels cannot be fitted by mean'],
  [{ levels: 4, isSymmetric: true, fit: 'half-quadratic' }, '4 levels, symmetric, cannot be fitted by half-quadratic'],
] as const)('%o is refused', async (fit, message) => {
  await expect(wasm.quantizeRealAffine(sampleMatrix('normal', 1, 8), { ...fit, group: 'row' })).rejects.toMatchObject({
    code: 'internal',
    message: expect.stringContaining(message) as string,
  })
})
