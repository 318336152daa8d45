import { expect, test } from 'vitest'
import { sampleMatrix } from '../../kernels/conformance/inputs.ts'
import type { Matrix } from '../../kernels/contract/kernels.ts'
import { createReferenceKernels } from '../../kernels/reference/index.ts'
import affine from './affine.ts'

const kernels = createReferenceKernels()
const grid = { kind: 'affine', bits: 3, group: 32, symmetric: false } as const

async function squaredError(weight: Matrix, choice: Record<string, unknown> & { kind: string }): Promise<number> {
  const tensor = await affine.quantizeNearest('w', weight, { settings: affine.parse(choice), kernels })
  if (tensor.encoding !== 'affine') throw new Error(tensor.encoding)
  return (await kernels.compareWeights(weight.data, await kernels.dequantizeAffine(tensor.affine))).squaredError
}

test('clipping by MSE lowers the error at low bits and is stored like any affine tensor', async () => {
  const weight = sampleMatrix('heavy tails', 16, 128)
  expect(await squaredError(weight, { ...grid, clip: 'mse' })).toBeLessThan(0.95 * (await squaredError(weight, grid)))
  const clipped = affine.parse({ ...grid, clip: 'mse' })
  expect(affine.encoding(weight, clipped)).toEqual(affine.encoding(weight, affine.parse(grid)))
  expect(affine.describe(clipped)).toBe('affine 3 bit, groups of 32, clipped by MSE')
})

test('a clip search over a whole matrix is refused with what to do', () => {
  const shape = { rows: 2, columns: 64 }
  expect(affine.supports(shape, affine.parse({ ...grid, group: 'tensor' }))).toBe(true)
  expect(affine.supports(shape, affine.parse({ ...grid, group: 'tensor', clip: 'mse' }))).toMatch(/row or group.*choose no clipping/)
})
