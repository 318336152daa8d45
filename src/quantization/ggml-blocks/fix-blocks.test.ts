import { describe, expect, test } from 'vitest'
import { createRandom } from '../../core/random.ts'
import type { GgmlType } from '../../kernels/contract/ggml.ts'
import { createWasmKernels } from '../../kernels/wasm/index.ts'
import { fixBlocks } from './fix-blocks.ts'
import { blockLayouts } from './layouts.ts'

const kernels = await createWasmKernels()
const random = createRandom(11)
const shape = { rows: 3, columns: 512 }
const weight = { ...shape, data: Float32Array.from({ length: 3 * 512 }, () => random.nextNormal() * 0.05 + 0.01) }
const importance = Float32Array.from({ length: 512 }, () => random.nextNormal() ** 2 + 0.01)

describe.each(Object.keys(blockLayouts) as GgmlType[])('%s', (type) => {
  test('codes written into its blocks decode to what its scales say', async () => {
    const fixed = await fixBlocks('w', weight, type, { importance, kernels })
    if (fixed.kind !== 'fixed' || fixed.grid.kind === 'fit') throw new Error('expected given scales')
    const { grid, groupSize } = fixed
    const count = grid.kind === 'uniform' ? grid.largestCode + 1 : grid.levels.length
    const codes = Uint8Array.from({ length: 3 * 512 }, () => Math.floor(random.next() * count))
    const tensor = fixed.finish({
      codes,
      fitted: { steps: new Float32Array(0), zeroPoints: new Float32Array(0) },
      losses: new Float32Array(3),
    })
    if (tensor.encoding !== 'ggml') throw new Error('expected blocks')
    const values = await kernels.dequantizeGgml(tensor.blocks, shape, type)
    const expected = Float32Array.from(codes, (code, i) => {
      const group = Math.floor(i / groupSize)
      const level = grid.kind === 'uniform' ? code - (grid.zeroPoints[group] ?? 0) : (grid.levels[code] ?? 0)
      return Math.fround((grid.scales[group] ?? 0) * level) + (grid.offsets[group] ?? 0)
    })
    expect(values).toEqual(expected.map((value, i) => (value === 0 ? (values[i] ?? 0) : value)))
    expect(new Set(grid.scales).size).toBeGreaterThan(1)
  })
})

test.each(['F16', 'TQ1_0'] as const)('%s says that it keeps no scales', async (type) => {
  const fixed = await fixBlocks('w', weight, type, { importance: null, kernels })
  expect(fixed).toEqual({ kind: 'none', reason: expect.stringContaining(`${type} has no scales`) as string })
})
