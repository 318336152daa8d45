import { expect, test } from 'vitest'
import { factorResidual } from './factor-residual.ts'

/** G of three columns, of which the factors below are those of G + I. */
const gram = Float32Array.from([3, 0, 0, 0, 15, 0, 0, 0, 63])
const upper = Float32Array.from([1 / 2, 0, 0, 0, 1 / 4, 0, 0, 0, 1 / 8])

test('an exact factor leaves nothing, one that is off by a share leaves twice the share', () => {
  expect(factorResidual(upper, gram, { order: null, damping: 1 })).toBe(0)
  const off = upper.map((value) => value * (1 + 2 ** -10))
  expect(factorResidual(off, gram, { order: null, damping: 1 })).toBeCloseTo(2 ** -9 + 2 ** -20, 9)
})

test('a factor is that of one order', () => {
  const order = Int32Array.of(2, 0, 1)
  const reordered = Float32Array.from([1 / 8, 0, 0, 0, 1 / 2, 0, 0, 0, 1 / 4])
  expect(factorResidual(reordered, gram, { order, damping: 1 })).toBe(0)
  expect(factorResidual(upper, gram, { order, damping: 1 })).toBeGreaterThan(0.5)
})

test('elements beside the diagonal count, G by its upper triangle alone', () => {
  // H = [[2, 1], [1, 1]], H^-1 = [[1, -1], [-1, 2]], U = [[1, -1], [0, 1]].
  const half = Float32Array.from([2, 1, 99, 1])
  expect(factorResidual(Float32Array.from([1, -1, 0, 1]), half, { order: null, damping: 0 })).toBe(0)
  expect(factorResidual(Float32Array.from([1, 0, 0, 1]), half, { order: null, damping: 0 })).toBeGreaterThan(0.5)
})

test('what is not a number is no small residual', () => {
  expect(factorResidual(Float32Array.from([Number.NaN, 0, 0, 0, 1, 0, 0, 0, 1]), gram, { order: null, damping: 1 })).toBeNaN()
})
