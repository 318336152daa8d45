import { describe, expect, test } from 'vitest'
import type { AxisMember, Catalogue } from '../../../rpc/contract.ts'
import { layer, result } from '../../../testing/compare-fixtures.ts'
import { boughtOver, gainOver, nearestTwin } from './nearest-twin.ts'

const member = (kind: string, more: Partial<AxisMember> = {}): AxisMember => ({ kind, title: kind, explanation: '', fields: [], ...more })
const axes: Catalogue['axes'] = {
  transform: [member('none')],
  grid: [member('affine', { fields: [{ key: 'clip', label: 'Clip', input: 'choice', options: [], default: 'none' }] })],
  rounding: [member('nearest', { learnsFrom: 'none' }), member('gptq', { learnsFrom: 'own' })],
  allocation: [member('uniform')],
}
const learning = (id: string, grid = { kind: 'affine', bits: 4, group: 32 }): ReturnType<typeof result> => {
  const made = result(id, 0)
  return { ...made, recipe: { ...made.recipe, grid, rounding: { kind: 'gptq' } } }
}

describe('the nearest twin', () => {
  test('differs in rounding alone, however its defaults are written', () => {
    const twin = result('twin', 1, { grid: { clip: 'none', group: 32, bits: 4, kind: 'affine' } })
    const other = result('other', 2, { grid: { kind: 'affine', bits: 3, group: 32 } })
    expect(nearestTwin(learning('gptq'), [learning('gptq'), other, twin], axes)?.recipe.id).toBe('twin')
    expect(nearestTwin(learning('gptq'), [other], axes)).toBeNull()
    expect(nearestTwin(twin, [twin, other], axes)).toBeNull()
  })

  test('a clipped grid is another one', () => {
    const clipped = result('clipped', 1, { grid: { kind: 'affine', bits: 4, group: 32, clip: 'mse' } })
    expect(nearestTwin(learning('gptq'), [clipped], axes)).toBeNull()
  })
})

describe('what calibration bought', () => {
  test('is the change of the summed error, with the best layer and the count of worse ones', () => {
    const bought = boughtOver(
      [layer(0, 'up', 0.01), layer(0, 'down', 0.03), layer(1, 'up', 0.5)],
      [layer(0, 'up', 0.02), layer(0, 'down', 0.02)],
    )
    expect(bought).toMatchObject({ layers: 2, worse: 1, bestChange: -0.5 })
    expect(bought?.change).toBeCloseTo(0)
    expect(bought?.best.role).toBe('up')
  })

  test('is nothing where the twin made no error', () => {
    expect(gainOver(layer(0, 'up', 0.01), 0)).toBeNull()
    expect(boughtOver([layer(0, 'up', 0.01)], [])).toBeNull()
  })
})
