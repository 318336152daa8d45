import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { roundHalfAway, roundHalfEven, truncPlusHalf } from './rounding.ts'

describe('ties', () => {
  test.each([
    [0.5, 0, 1],
    [1.5, 2, 2],
    [2.5, 2, 3],
    [-0.5, 0, -1],
    [-1.5, -2, -2],
    [-2.5, -2, -3],
  ])('%d goes to %d (even) and %d (away)', (value, even, away) => {
    expect(roundHalfEven(value) + 0).toBe(even)
    expect(roundHalfAway(value)).toBe(away)
  })
})

test('the double just below one half goes to 0', () => {
  expect(roundHalfEven(0.49999999999999994)).toBe(0)
  expect(roundHalfAway(0.49999999999999994)).toBe(0)
})

test('half to even is what adding and taking away 1.5 * 2^52 does', () => {
  const magic = 1.5 * 2 ** 52
  fc.assert(fc.property(fc.double({ min: -1e9, max: 1e9, noNaN: true }), (x) => roundHalfEven(x) + 0 === x + magic - magic + 0))
})

test('both are nearest integers', () => {
  fc.assert(
    fc.property(
      fc.double({ min: -1e12, max: 1e12, noNaN: true }),
      (x) => Math.abs(roundHalfEven(x) - x) <= 0.5 && Math.abs(roundHalfAway(x) - x) <= 0.5,
    ),
  )
})

test('truncation after one f32 addition', () => {
  expect(truncPlusHalf(0.5)).toBe(1)
  expect(truncPlusHalf(-3.2, 8)).toBe(5)
  // 6.4999999 + 8.5 is 15 in f32, not 14.9999999.
  expect(truncPlusHalf(6.4999999, 8)).toBe(15)
})
