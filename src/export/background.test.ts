import { expect, it } from 'vitest'
import { Background } from './background.ts'

/** Ends some time after it was stopped. */
async function untilStopped(stop: AbortSignal, seen: string[]): Promise<string> {
  await new Promise((resolve) => stop.addEventListener('abort', resolve))
  await Promise.resolve()
  seen.push('stopped')
  throw new Error('stopped')
}

it('hands over what comes of its work, and ends when all of it has', async () => {
  const seen: string[] = []
  const background = new Background()
  const quick = background.start(() => Promise.resolve('made'))
  void background.start((stop) => untilStopped(stop, seen))
  expect(await quick).toBe('made')
  await background.end()
  expect(seen).toEqual(['stopped'])
})

it('is stopped by an abort, also one from before it started', async () => {
  for (const isEarly of [false, true]) {
    const controller = new AbortController()
    if (isEarly) controller.abort()
    const background = new Background(controller.signal)
    const work = background.start(async (stop) => {
      if (!stop.aborted) await untilStopped(stop, [])
      throw new Error('stopped')
    })
    controller.abort()
    await expect(work).rejects.toThrow('stopped')
    await background.end()
  }
})
