import fc from 'fast-check'
import { expect, test } from 'vitest'
import { roundToHalf } from '../core/float16.ts'
import { sampleImportance, sampleMatrix } from './conformance/inputs.ts'
import type { KMeansParams } from './contract/k-means.ts'
import type { Matrix } from './contract/kernels.ts'
import { createReferenceKernels } from './reference/index.ts'
import { createWasmKernels } from './wasm/index.ts'

const reference = createReferenceKernels()
const wasm = await createWasmKernels()

const kinds = ['normal', 'heavy tails', 'one outlier', 'only positive', 'ties'] as const

async function squaredError(input: Matrix, params: KMeansParams, importance: Float32Array | null = null): Promise<number> {
  const values = await wasm.dequantizeKMeans(await wasm.quantizeKMeans(input, params, { importance }))
  return (await wasm.compareWeights(input.data, values)).squaredError
}

test('WASM gives the bytes of the reference for any finite floats', async () => {
  const finite = fc.float({ noNaN: true, noDefaultInfinity: true })
  const matrix = fc
    .tuple(
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 1, max: 130 }),
      fc.infiniteStream(finite),
      fc.infiniteStream(fc.float({ min: 0, max: 9, noNaN: true })),
    )
    .map(([rows, columns, values, importances]) => ({
      input: { rows, columns, data: Float32Array.from(values.take(rows * columns)) },
      importance: Float32Array.from(importances.take(columns)),
    }))
  const params = fc.record({
    bits: fc.integer({ min: 1, max: 8 }),
    group: fc.oneof(fc.integer({ min: 1, max: 140 }), fc.constant('row' as const)),
  })
  await fc.assert(
    fc.asyncProperty(matrix, params, fc.boolean(), async ({ input, importance }, grid, isWeighted) => {
      const options = { importance: isWeighted ? importance : null }
      const expected = await reference.quantizeKMeans(input, grid, options)
      expect(await wasm.quantizeKMeans(input, grid, options)).toEqual(expected)
      expect(await wasm.dequantizeKMeans(expected)).toEqual(await reference.dequantizeKMeans(expected))
    }),
    { numRuns: 200 },
  )
})

test.each([2, 3, 4, 5, 6])('%i bits are never worse than the affine grid of as many', async (bits) => {
  for (const kind of kinds) {
    for (const group of [64, 'row'] as const) {
      const input = sampleMatrix(kind, 6, 192)
      const affine = await wasm.dequantizeAffine(await wasm.quantizeAffine(input, { bits, isSymmetric: false, group }))
      const { squaredError: nearest } = await wasm.compareWeights(input.data, affine)
      expect(await squaredError(input, { bits, group }), kind).toBeLessThanOrEqual(nearest)
    }
  }
})

/** The least sum of squares that `count` clusters can leave, by dynamic programming over ranges of sorted values. */
function leastError(values: Float32Array, count: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  const sums = [0]
  const squares = [0]
  for (const [i, value] of sorted.entries()) {
    sums.push((sums[i] ?? 0) + value)
    squares.push((squares[i] ?? 0) + value * value)
  }
  const costOf = (start: number, end: number): number => {
    const sum = (sums[end] ?? 0) - (sums[start] ?? 0)
    return (squares[end] ?? 0) - (squares[start] ?? 0) - (sum * sum) / (end - start)
  }
  let least = sorted.map((_, i) => costOf(0, i + 1))
  for (let clusters = 2; clusters <= count; clusters++) {
    const before = least
    least = before.map((_, i) => {
      let best = before[i] ?? 0
      for (let start = 1; start <= i; start++) best = Math.min(best, (before[start - 1] ?? 0) + costOf(start, i + 1))
      return best
    })
  }
  return least[sorted.length - 1] ?? 0
}

test.each([2, 3, 4])('%i bits stay close to the best possible table', async (bits) => {
  const ratios: number[] = []
  for (const kind of kinds) {
    const input = sampleMatrix(kind, 8, 128)
    for (let row = 0; row < 8; row++) {
      const data = input.data.slice(row * 128, (row + 1) * 128)
      const best = leastError(data, 2 ** bits)
      if (best > 0) ratios.push((await squaredError({ data, rows: 1, columns: 128 }, { bits, group: 'row' })) / best)
    }
  }
  const mean = ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length
  expect(Math.min(...ratios)).toBeGreaterThan(0.999)
  expect(mean).toBeLessThan(1.1)
})

test('importance moves the values towards the columns that count', async () => {
  const input = sampleMatrix('normal', 16, 256)
  const importance = sampleImportance(256)
  const weighted = async (chosen: Float32Array | null): Promise<number> => {
    const values = await wasm.dequantizeKMeans(await wasm.quantizeKMeans(input, { bits: 3, group: 'row' }, { importance: chosen }))
    return values.reduce((sum, value, i) => sum + (importance[i % 256] ?? 0) * (value - (input.data[i] ?? 0)) ** 2, 0)
  }
  expect(await weighted(importance)).toBeLessThan(0.8 * (await weighted(null)))
})

test('as many different weights as values come back to half precision', async () => {
  const input = { data: Float32Array.of(3, -1, 0.5, 3, -1, 0.5, 7, 7), rows: 1, columns: 8 }
  const tensor = await wasm.quantizeKMeans(input, { bits: 2, group: 'row' })
  expect([...tensor.centroids]).toEqual([-1, 0.5, 3, 7])
  expect([...(await wasm.dequantizeKMeans(tensor))]).toEqual([...input.data])
})

test('tables ascend and hold halves', async () => {
  for (const kind of kinds) {
    const { centroids } = await wasm.quantizeKMeans(sampleMatrix(kind, 2, 96), { bits: 4, group: 48 })
    for (const [i, value] of centroids.entries()) {
      expect(value).toBe(roundToHalf(value))
      if (i % 16 > 0) expect(value).toBeGreaterThanOrEqual(centroids[i - 1] ?? 0)
    }
  }
})

test.each([0, 9, 2.5])('%d bits are refused', async (bits) => {
  await expect(wasm.quantizeKMeans(sampleMatrix('normal', 1, 8), { bits, group: 'row' })).rejects.toMatchObject({ code: 'internal' })
})

test('an importance that is negative or of another length is refused', async () => {
  const input = sampleMatrix('normal', 1, 8)
  const params = { bits: 2, group: 'row' } as const
  await expect(wasm.quantizeKMeans(input, params, { importance: new Float32Array(7) })).rejects.toMatchObject({ code: 'internal' })
  await expect(wasm.quantizeKMeans(input, params, { importance: new Float32Array(8).fill(-1) })).rejects.toMatchObject({ code: 'internal' })
})
