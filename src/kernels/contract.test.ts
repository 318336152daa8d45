import { describe, expect, test } from 'vitest'
import { sampleMatrix, sampleStored } from './conformance/inputs.ts'
import { createReferenceKernels } from './reference/index.ts'
import { createWasmKernels } from './wasm/index.ts'

const grid = { bits: 4, isSymmetric: false, group: 32 } as const
const realGrid = { levels: 16, isSymmetric: false, group: 32, fit: 'half-quadratic' } as const

describe.each([
  ['reference', createReferenceKernels],
  ['wasm', createWasmKernels],
] as const)('%s', async (backend, create) => {
  const kernels = await create()

  test('names itself', () => {
    expect(kernels.backend).toBe(backend)
  })

  // One of them in a vector, one in a tail.
  test.each([
    ['NaN', Number.NaN, 3, 5],
    ['infinity', Infinity, 0, 69],
    ['-infinity', -Infinity, 4, 66],
  ])('quantizers refuse %s and name the place', async (_, value, row, column) => {
    const input = sampleMatrix('normal', 5, 70)
    input.data[row * 70 + column] = value
    const fault = { code: 'weights-not-finite', details: { row, column } }
    await expect(kernels.quantizeAffine(input, grid)).rejects.toMatchObject(fault)
    await expect(kernels.quantizeAffine(input, { ...grid, group: 'tensor' })).rejects.toMatchObject(fault)
    await expect(kernels.quantizeAffine(input, { ...grid, isSymmetric: true, group: 'row' })).rejects.toMatchObject(fault)
    await expect(kernels.quantizeRealAffine(input, realGrid)).rejects.toMatchObject(fault)
    await expect(kernels.quantizeKMeans(input, { bits: 4, group: 32 })).rejects.toMatchObject(fault)
    await expect(kernels.quantizeGgml(input, 'F16')).rejects.toMatchObject(fault)
    await expect(kernels.quantizeGgml(input, 'F32')).rejects.toMatchObject(fault)
    const stored = { bytes: new Uint8Array(input.data.buffer), dtype: 'F32', rows: 5, columns: 70 } as const
    await expect(kernels.quantizeStoredAffine(stored, grid)).rejects.toMatchObject(fault)
    const blocks = sampleMatrix('normal', 5, 96)
    blocks.data[row * 96 + column] = value
    for (const type of ['Q4_0', 'Q4_1', 'Q8_0'] as const) {
      await expect(kernels.quantizeGgml(blocks, type)).rejects.toMatchObject(fault)
    }
  })

  test('rows that do not divide into blocks are refused', async () => {
    const input = sampleMatrix('normal', 2, 40)
    await expect(kernels.quantizeGgml(input, 'Q4_0')).rejects.toThrow('Rows of 40 do not divide into Q4_0 blocks of 32.')
    await expect(kernels.dequantizeGgml(new Uint8Array(36), input, 'Q4_0')).rejects.toMatchObject({ code: 'internal' })
  })

  test('sizes that contradict a shape are refused', async () => {
    const input = { ...sampleMatrix('normal', 2, 32), rows: 3 }
    await expect(kernels.quantizeAffine(input, grid)).rejects.toThrow('A matrix holds 64 elements where its shape asks for 96.')
    await expect(kernels.quantizeRealAffine(input, realGrid)).rejects.toMatchObject({ code: 'internal' })
    await expect(kernels.quantizeKMeans(input, { bits: 4, group: 32 })).rejects.toMatchObject({ code: 'internal' })
    await expect(kernels.quantizeGgml(input, 'Q8_0')).rejects.toMatchObject({ code: 'internal' })
    await expect(kernels.describeWeights(input, 8)).rejects.toMatchObject({ code: 'internal' })
    await expect(kernels.accumulateGram(new Float32Array(9), input)).rejects.toMatchObject({ code: 'internal' })
    await expect(kernels.accumulateProduct(new Float32Array(9), input, input)).rejects.toMatchObject({ code: 'internal' })
    await expect(kernels.traceThroughGram(input, new Float32Array(9))).rejects.toMatchObject({ code: 'internal' })
    await expect(kernels.groupLosses(input, new Float32Array(9), 4)).rejects.toMatchObject({ code: 'internal' })
    await expect(kernels.compareWeights(new Float32Array(3), new Float32Array(4))).rejects.toMatchObject({ code: 'internal' })
    await expect(kernels.dequantizeGgml(new Uint8Array(33), { rows: 1, columns: 32 }, 'Q8_0')).rejects.toMatchObject({ code: 'internal' })
    const tensor = await kernels.quantizeAffine(sampleMatrix('normal', 2, 32), grid)
    await expect(kernels.dequantizeAffine({ ...tensor, scales: new Float32Array(1) })).rejects.toMatchObject({ code: 'internal' })
    const real = await kernels.quantizeRealAffine(sampleMatrix('normal', 2, 32), realGrid)
    await expect(kernels.dequantizeRealAffine({ ...real, zeroPoints: new Float32Array(1) })).rejects.toMatchObject({ code: 'internal' })
    const tables = await kernels.quantizeKMeans(sampleMatrix('normal', 2, 32), { bits: 4, group: 32 })
    await expect(kernels.dequantizeKMeans({ ...tables, centroids: new Float32Array(16) })).rejects.toMatchObject({ code: 'internal' })
  })

  test.each([1, 9, 4.5])('%d bits are refused', async (bits) => {
    await expect(kernels.quantizeAffine(sampleMatrix('normal', 1, 8), { ...grid, bits })).rejects.toMatchObject({ code: 'internal' })
  })

  test.each([0, -32, 1.5])('groups of %d are refused', async (group) => {
    await expect(kernels.quantizeAffine(sampleMatrix('normal', 1, 8), { ...grid, group })).rejects.toMatchObject({ code: 'internal' })
  })

  test('a grid over the whole matrix cannot be fitted in one pass', async () => {
    const source = sampleStored('BF16', sampleMatrix('normal', 2, 32))
    await expect(kernels.quantizeStoredAffine(source, { ...grid, group: 'tensor' })).rejects.toThrow(
      'A grid over a whole matrix cannot be fitted row by row.',
    )
    await expect(kernels.quantizeStoredAffine({ ...source, rows: 3 }, grid)).rejects.toMatchObject({ code: 'internal' })
    await expect(kernels.quantizeStoredAffine(source, { ...grid, bits: 1 })).rejects.toMatchObject({ code: 'internal' })
    await expect(kernels.quantizeStoredAffine(source, { ...grid, group: 0 })).rejects.toMatchObject({ code: 'internal' })
  })

  test('a product of matrices that do not meet is refused', async () => {
    const refused = kernels.accumulateProduct(new Float32Array(16), sampleMatrix('normal', 2, 4), sampleMatrix('normal', 3, 4))
    await expect(refused).rejects.toThrow('Matrices of 2 and 3 rows have no product here.')
  })

  test.each([0, 1.5, 1025])('losses of groups of %d columns are refused', async (span) => {
    const refused = kernels.groupLosses(sampleMatrix('normal', 2, 4), new Float32Array(16), span)
    await expect(refused).rejects.toThrow(`Groups of ${span} columns have no losses here.`)
  })

  test('a matrix without rows gives empty results', async () => {
    const empty = { data: new Float32Array(), rows: 0, columns: 64 }
    expect((await kernels.quantizeAffine(empty, grid)).codes).toHaveLength(0)
    expect((await kernels.quantizeRealAffine(empty, realGrid)).codes).toHaveLength(0)
    expect((await kernels.quantizeKMeans(empty, { bits: 4, group: 'row' })).centroids).toHaveLength(0)
    expect(await kernels.quantizeGgml(empty, 'Q4_0')).toHaveLength(0)
    expect(await kernels.describeWeights(empty, 4)).toMatchObject({ limit: 0, nonFiniteCount: 0, firstNonFinite: -1 })
  })
})
