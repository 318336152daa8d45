import { describe, expect, it } from 'vitest'
import { Loss } from './loss.ts'

describe('a loss', () => {
  it('lets results and faults through while nothing is lost', async () => {
    const loss = new Loss()
    expect(await loss.guard(Promise.resolve(7))).toBe(7)
    await expect(loss.guard(Promise.reject(new Error('own fault')))).rejects.toThrow('own fault')
    expect(loss.error).toBeNull()
  })

  it('rejects what waits and what comes later, with the first error', async () => {
    const loss = new Loss()
    const waiting = loss.guard(new Promise<never>(() => undefined))
    loss.declare(new Error('gone'))
    loss.declare(new Error('gone again'))
    await expect(waiting).rejects.toThrow('gone')
    await expect(loss.guard(Promise.resolve(1))).rejects.toThrow(/^gone$/)
  })
})
