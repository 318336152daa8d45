import { expect, test } from 'vitest'
import { createRandom, randomFromState } from './random.ts'

test('xoshiro128** gives the numbers of its definition', () => {
  const random = randomFromState([1, 2, 3, 4])
  // From the published algorithm, run in Python's unbounded integers on the state {1, 2, 3, 4}.
  expect([0, 1, 2, 3, 4].map(() => random.nextUint32())).toEqual([11520, 0, 5927040, 70819200, 2031721883])
})

test('a seed fixes the sequence, another one changes it', () => {
  const take = (seed: number): number[] => {
    const random = createRandom(seed)
    return [random.next(), random.next(), random.nextNormal()]
  }
  expect(take(7)).toEqual(take(7))
  expect(take(7)).not.toEqual(take(8))
})

test('uniform and normal numbers have their mean and deviation', () => {
  const random = createRandom(1)
  const moments = (next: () => number) => {
    const values = Array.from({ length: 20000 }, next)
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length
    return { mean, deviation: Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length), values }
  }
  const uniform = moments(random.next)
  expect(uniform.mean).toBeCloseTo(0.5, 2)
  expect(uniform.values.every((value) => value >= 0 && value < 1)).toBe(true)
  const normal = moments(random.nextNormal)
  expect(Math.abs(normal.mean)).toBeLessThan(0.03)
  expect(Math.abs(normal.deviation - 1)).toBeLessThan(0.03)
})
