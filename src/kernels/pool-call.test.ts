import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { largestBatch, PoolCall } from './pool-call.ts'

function callOf(count: number, take: (result: unknown, index: number) => void = () => undefined): PoolCall {
  return new PoolCall({ name: 'findRange', count, argumentsOf: () => [], targetsOf: () => null, take })
}

/** All batches of a call, for so many threads. */
function batchesOf(call: PoolCall, threads: number): readonly (readonly number[])[] {
  const batches: (readonly number[])[] = []
  while (call.isWaiting) batches.push(nextBatch(call, threads))
  return batches
}

function nextBatch(call: PoolCall, threads: number): readonly number[] {
  return Array.from({ length: call.batchSize(threads) }, () => call.nextPiece())
}

test('batches hold every piece once, in order, and become smaller', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 200 }), fc.integer({ min: 1, max: 16 }), (count, threads) => {
      const batches = batchesOf(callOf(count), threads)
      expect(batches.flat()).toEqual(Array.from({ length: count }, (_, i) => i))
      const sizes = batches.map(({ length }) => length)
      expect(sizes).toEqual(sizes.toSorted((a, b) => b - a))
      expect(Math.max(0, ...sizes)).toBeLessThanOrEqual(largestBatch)
      // Each thread's last piece comes alone.
      expect(sizes.slice(-threads).every((size) => size === 1)).toBe(true)
    }),
  )
})

test('a call is finished with its last answer, whatever their order', async () => {
  const taken: unknown[] = []
  const call = callOf(5, (result, index) => taken.push([index, result]))
  const [first, second] = [nextBatch(call, 1), nextBatch(call, 1)]
  call.take(second, ['d'])
  call.take(first, ['a', 'b', 'c'])
  for (const batch of batchesOf(call, 1)) call.take(batch, ['e'])
  await call.finished
  expect(taken).toEqual([
    [3, 'd'],
    [0, 'a'],
    [1, 'b'],
    [2, 'c'],
    [4, 'e'],
  ])
})

test('a call without pieces is finished', async () => {
  await expect(callOf(0).finished).resolves.toBeUndefined()
})

describe('pieces of a thread that died', () => {
  test('come again one by one, twice at most', () => {
    const call = callOf(20)
    const batch = nextBatch(call, 2)
    expect(batch.length).toBeGreaterThan(1)
    expect(call.giveBack(batch, true)).toBe(true)
    for (const piece of batch) expect(nextBatch(call, 2)).toEqual([piece])
    expect(call.giveBack(batch.slice(-1), true)).toBe(false)
  })

  test('do not count as tried when the thread had not come to them', () => {
    const call = callOf(1)
    for (let round = 0; round < 5; round++) expect(call.giveBack(nextBatch(call, 1), false)).toBe(true)
  })
})

describe('after a fault', () => {
  test('nothing is taken and nothing handed out', async () => {
    const taken: unknown[] = []
    const call = callOf(4, (result) => taken.push(result))
    const batch = nextBatch(call, 1)
    call.fail(new Error('no more memory'))
    call.take(batch, ['late'])
    await expect(call.finished).rejects.toThrow('no more memory')
    expect(taken).toEqual([])
    expect(call.isWaiting).toBe(false)
  })

  test('of what takes a result the call rejects', async () => {
    const call = callOf(2, () => {
      throw new RangeError('too long')
    })
    call.take(nextBatch(call, 1), ['x'])
    await expect(call.finished).rejects.toMatchObject({ code: 'internal', message: 'too long' })
  })
})
