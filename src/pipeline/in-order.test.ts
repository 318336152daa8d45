import { expect, it } from 'vitest'
import { inOrder } from './in-order.ts'

const after = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

it('takes results in order, with no more than `ahead` made at once', async () => {
  const taken: number[] = []
  let open = 0
  let most = 0
  await inOrder([5, 1, 4, 2, 3, 0], 3, {
    async make(item) {
      most = Math.max(most, ++open)
      await after(item)
      return item * 10
    },
    async take(result) {
      taken.push(result)
      await after(1)
      open--
    },
  })
  expect(taken).toEqual([50, 10, 40, 20, 30, 0])
  expect(most).toBe(3)
})

it('begins several together, when there is room for so many', async () => {
  const events: string[] = []
  await inOrder([0, 1, 2, 3, 4, 5], 4, {
    together: 2,
    async make(item) {
      events.push(`make ${item}`)
      return item
    },
    async take(item) {
      events.push(`take ${item}`)
    },
  })
  expect(events.slice(0, 8)).toEqual(['make 0', 'make 1', 'make 2', 'make 3', 'take 0', 'take 1', 'make 4', 'make 5'])
  expect(events.slice(8)).toEqual(['take 2', 'take 3', 'take 4', 'take 5'])
})

it.each(['make', 'take'] as const)('ends with the first fault of `%s`, once nothing is in work any more', async (where) => {
  let inWork = 0
  const started: number[] = []
  const attempt = inOrder([0, 1, 2, 3, 4, 5, 6, 7], 3, {
    async make(item) {
      started.push(item)
      inWork++
      await after(2)
      inWork--
      if (where === 'make' && item === 1) throw new RangeError('broken')
      return item
    },
    async take(item) {
      if (where === 'take' && item === 1) throw new RangeError('broken')
      await after(0)
    },
  })
  await expect(attempt).rejects.toThrow('broken')
  expect(inWork).toBe(0)
  expect(started.length).toBeLessThan(8)
})
