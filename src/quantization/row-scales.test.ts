import { describe, expect, it } from 'vitest'
import type { AffineFit } from '../kernels/contract/affine.ts'
import { createReferenceKernels } from '../kernels/reference/index.ts'
import { rowScalesOf } from './row-scales.ts'

const kernels = createReferenceKernels()
const matrix = { rows: 2, columns: 4, data: Float32Array.of(1.27, 0, 0, 0, 0, 2.54, 0, 0) }

describe('row scales', () => {
  it.each<[AffineFit['group'], number[] | null]>([
    ['row', [0.01, 0.02]],
    ['tensor', [0.02, 0.02]],
    [4, [0.01, 0.02]],
    [2, null],
  ])('of groups of %s are %j', async (group, wanted) => {
    const affine = await kernels.quantizeAffine(matrix, { bits: 8, isSymmetric: true, group })
    const scales = rowScalesOf({ name: 'w', rows: 2, columns: 4, encoding: 'affine', affine })
    expect(scales === null ? null : [...scales].map((scale) => Number(scale.toFixed(3)))).toEqual(wanted)
  })

  it('are none of other encodings', () => {
    expect(rowScalesOf({ name: 'w', rows: 2, columns: 4, encoding: 'float', values: matrix.data })).toBeNull()
  })
})
