import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decadeDomain, decadeLabel, decadeTicks, fittedDomain, halfDecadeTicks, linearTicks, logPosition, tickDecimals } from './axis.ts'

const positive = fc.double({ min: 1e-12, max: 1e12, noNaN: true })

describe('decades', () => {
  test('holds every value between whole powers of ten', () => {
    expect(decadeDomain([0.0012, 0.0958])).toEqual([1e-3, 1e-1])
    expect(decadeDomain([1e-3, 1e-3])).toEqual([1e-3, 1e-2])
    expect(decadeDomain([0, Number.NaN, -1])).toEqual([1e-6, 1])
  })

  test('is never narrower than its values', () => {
    fc.assert(
      fc.property(fc.array(positive, { minLength: 1, maxLength: 20 }), (values) => {
        const [low, high] = decadeDomain(values)
        expect(low).toBeLessThanOrEqual(Math.min(...values) * (1 + 1e-6))
        expect(high).toBeGreaterThanOrEqual(Math.max(...values) * (1 - 1e-6))
      }),
    )
  })

  test('ticks are exact literals and thin out', () => {
    expect(decadeTicks([1e-5, 1e-1])).toEqual([1e-5, 1e-4, 1e-3, 1e-2, 1e-1])
    expect(decadeTicks([1e-12, 1], 5)).toEqual([1e-12, 1e-9, 1e-6, 1e-3, 1])
  })

  test('ones and threes, or whole decades when those are too many', () => {
    expect(halfDecadeTicks([0.05, 30])).toEqual([0.1, 0.3, 1, 3, 10, 30])
    expect(halfDecadeTicks([1e-4, 100])).toEqual([1e-4, 1e-3, 1e-2, 0.1, 1, 10, 100])
  })

  test('labels', () => {
    expect([1e-3, 1, 10, 1e-12].map(decadeLabel)).toEqual(['10⁻³', '1', '10', '10⁻¹²'])
  })
})

describe('linear', () => {
  test('steps are 1, 2 or 5 times a power of ten', () => {
    expect(linearTicks([460, 1240], 8)).toEqual([500, 600, 700, 800, 900, 1000, 1100, 1200])
    expect(linearTicks([2.05, 3.9], 4)).toEqual([2.5, 3, 3.5])
    expect(linearTicks([540, 1280], 4)).toEqual([600, 800, 1000, 1200])
  })

  test('all ticks lie inside the domain and are not too many', () => {
    fc.assert(
      fc.property(fc.double({ min: -1e6, max: 1e6, noNaN: true }), fc.double({ min: 1e-3, max: 1e6, noNaN: true }), (low, span) => {
        const ticks = linearTicks([low, low + span], 6)
        expect(ticks.length).toBeLessThanOrEqual(6)
        expect(ticks.length).toBeGreaterThanOrEqual(2)
        for (const tick of ticks) {
          expect(tick).toBeGreaterThanOrEqual(low - span * 1e-3)
          expect(tick).toBeLessThanOrEqual(low + span * 1.001)
        }
      }),
    )
  })

  test('decimals tell neighbours apart', () => {
    expect(tickDecimals([2, 2.5, 3])).toBe(1)
    expect(tickDecimals([500, 600])).toBe(0)
    expect(tickDecimals([0.02, 0.025])).toBe(3)
  })

  test('a fitted domain has room at both ends and does not go below zero', () => {
    expect(fittedDomain([600, 1100], 0.1)).toEqual([550, 1150])
    expect(fittedDomain([1, 100], 0.1)[0]).toBe(0)
    const [low, high] = fittedDomain([5])
    expect(low).toBeLessThan(5)
    expect(high).toBeGreaterThan(5)
  })
})

test('log position is clamped and monotone', () => {
  expect(logPosition(1e-2, [1e-3, 1e-1])).toBeCloseTo(0.5, 12)
  expect(logPosition(0, [1e-3, 1])).toBe(0)
  expect(logPosition(7, [1e-3, 1])).toBe(1)
})
