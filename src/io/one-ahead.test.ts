import { expect, it } from 'vitest'
import { oneAhead } from './one-ahead.ts'

/** Makes numbers when told to. */
function byHand() {
  const started: number[] = []
  const finished: number[] = []
  const make = async (index: number): Promise<number> => {
    started.push(index)
    await new Promise((resolve) => setTimeout(resolve, 1))
    finished.push(index)
    if (index === 2) throw new Error('no two')
    return index
  }
  return { started, finished, make }
}

it('makes each while the one before is in use, and no more', async () => {
  const { started, make } = byHand()
  const seen: string[] = []
  for await (const index of oneAhead(2, make)) seen.push(`${index} of ${started.length}`)
  expect(seen).toEqual(['0 of 2', '1 of 2'])
  for await (const index of oneAhead(0, make)) expect.fail(`made ${index}`)
})

it('waits for what is being made when it is stopped', async () => {
  const { finished, make } = byHand()
  for await (const index of oneAhead(9, make)) if (index === 0) break
  expect(finished).toEqual([0, 1])
})

it('throws a fault in its turn, and none when it is stopped before', async () => {
  const { finished, make } = byHand()
  const seen: number[] = []
  const whole = async (): Promise<void> => {
    for await (const index of oneAhead(9, make)) seen.push(index)
  }
  await expect(whole()).rejects.toThrow('no two')
  expect(seen).toEqual([0, 1])
  for await (const index of oneAhead(9, make)) if (index === 1) break
  expect(finished).toEqual([0, 1, 2, 0, 1, 2])
})
