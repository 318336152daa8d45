import { describe, expect, it } from 'vitest'
import { fakeTensors } from '../../../testing/fake-model.ts'
import { bytesByPart, shownTensors } from './tensor-rows.ts'

describe('tensor rows', () => {
  const tensors = fakeTensors()

  it('filters by every word, in any order', () => {
    const found = shownTensors(tensors, { filter: 'proj layers.3. down', grouping: 'block' })
    expect(found.map((tensor) => tensor.name)).toEqual(['model.layers.3.mlp.down_proj.weight'])
  })

  it('groups one kind across blocks', () => {
    const names = shownTensors(tensors, { filter: 'q_proj', grouping: 'kind' }).map((tensor) => tensor.block)
    expect(names).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
    const first = shownTensors(tensors, { filter: 'layers', grouping: 'kind' }).slice(0, 9)
    expect(first.map((tensor) => tensor.role)).toEqual([...Array<string>(8).fill('q'), 'k'])
  })

  it('accounts for every byte', () => {
    const parts = bytesByPart(tensors)
    expect(parts.reduce((sum, part) => sum + part.sizeBytes, 0)).toBe(tensors.reduce((sum, tensor) => sum + tensor.sizeBytes, 0))
    expect(parts[0]?.title).toBe('Feed-forward, 24 tensors')
    expect(parts.reduce((sum, part) => sum + part.share, 0)).toBeCloseTo(1, 12)
    expect(parts.map((part) => part.title)).not.toContain('Head')
  })
})
