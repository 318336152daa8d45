import { expect, it } from 'vitest'
import { Loss } from './loss.ts'

const gone = new Error('gone')

it('settles as the work does while nothing is lost', async () => {
  const loss = new Loss()
  await expect(loss.guard(Promise.resolve(1))).resolves.toBe(1)
  await expect(loss.guard(Promise.reject(new Error('own')))).rejects.toThrow('own')
})

it('rejects what is under way and everything after, with the first loss', async () => {
  const loss = new Loss()
  const waiting = loss.guard(new Promise(() => undefined))
  loss.declare(gone)
  loss.declare(new Error('later'))
  await expect(waiting).rejects.toBe(gone)
  await expect(loss.guard(Promise.resolve(1))).rejects.toBe(gone)
})

it('leaves no rejection of lost work unhandled', async () => {
  const unhandled: unknown[] = []
  const note = (reason: unknown): void => void unhandled.push(reason)
  process.on('unhandledRejection', note)
  const loss = new Loss()
  loss.declare(gone)
  await expect(loss.guard(Promise.reject(new Error('own')))).rejects.toBe(gone)
  await new Promise((resolve) => setImmediate(resolve))
  process.off('unhandledRejection', note)
  expect(unhandled).toEqual([])
})
