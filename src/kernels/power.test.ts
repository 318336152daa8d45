import fc from 'fast-check'
import { expect, test } from 'vitest'
import { raiseTo2p4, raiseToMinus0p3 } from './reference/power.ts'

test.each([
  ['2.4', raiseTo2p4, 2.4, 3e-5],
  ['-0.3', raiseToMinus0p3, -0.3, 2e-5],
] as const)('x^%s is as close as it says wherever an error can lie', (_, raise, exponent, limit) => {
  fc.assert(
    fc.property(fc.double({ min: -30, max: 8, noNaN: true }), (logarithm) => {
      const x = Math.fround(2 ** logarithm)
      expect(Math.abs(raise(x) / x ** exponent - 1)).toBeLessThan(limit)
    }),
    { numRuns: 1000 },
  )
})

test('an error of 0 adds nothing and shrinks by something finite', () => {
  expect(raiseTo2p4(0)).toBe(0)
  expect(raiseToMinus0p3(0)).toBeGreaterThan(1e6)
  expect(raiseToMinus0p3(0)).toBeLessThan(Infinity)
})
