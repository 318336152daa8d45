import { describe, expect, it } from 'vitest'
import { cellOpacity, errorRange, labelledBlocks } from './walk-geometry.ts'

describe('the walk', () => {
  it('draws log error as opacity between 0.28 and 1', () => {
    expect(cellOpacity(1e-4, [1e-4, 1e-2])).toBeCloseTo(0.28, 12)
    expect(cellOpacity(1e-3, [1e-4, 1e-2])).toBeCloseTo(0.64, 12)
    expect(cellOpacity(1e-2, [1e-4, 1e-2])).toBeCloseTo(1, 12)
    expect(cellOpacity(0, [1e-4, 1e-2])).toBe(0.28)
    expect(cellOpacity(5, [5, 5])).toBe(1)
  })

  it('ignores blocks without error in its range', () => {
    expect(errorRange([0, 2, Number.NaN, 0.5])).toEqual([0.5, 2])
    expect(errorRange([])).toEqual([1, 1])
  })

  it('labels about a dozen blocks', () => {
    expect(labelledBlocks(5)).toEqual([0, 1, 2, 3, 4])
    expect(labelledBlocks(22)).toEqual([0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20])
    expect(labelledBlocks(80).length).toBeLessThanOrEqual(12)
  })
})
