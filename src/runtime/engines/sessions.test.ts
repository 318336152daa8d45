import { describe, expect, it } from 'vitest'
import type { OnnxGraph } from '../../formats/onnx/model.ts'
import type { Ort } from './load-onnxruntime.ts'
import { OnnxSessions } from './sessions.ts'

const graph = (): OnnxGraph => ({ name: 'g', inputs: [], outputs: [], initializers: [], nodes: [] })

/** ONNX Runtime as far as `OnnxSessions` knows it, with a `run` of the test's. */
function fakeOrt(run: () => Promise<unknown>): { ort: Ort; created: () => number; released: () => number } {
  let created = 0
  let released = 0
  const create = (): Promise<unknown> => {
    created += 1
    const release = (): Promise<void> => {
      released += 1
      return Promise.resolve()
    }
    return Promise.resolve({ run, release })
  }
  return { ort: { InferenceSession: { create } } as unknown as Ort, created: () => created, released: () => released }
}

describe('OnnxSessions', () => {
  it('makes a session once and runs one call after the other', async () => {
    let running = 0
    let most = 0
    const { ort, created, released } = fakeOrt(async () => {
      running += 1
      most = Math.max(most, running)
      await Promise.resolve()
      running -= 1
      return {}
    })
    const sessions = new OnnxSessions(ort, { provider: 'wasm' })
    await Promise.all([sessions.run('a', graph, {}), sessions.run('a', graph, {}), sessions.run('b', graph, {})])
    expect({ most, created: created() }).toEqual({ most: 1, created: 2 })
    await sessions.close()
    expect(released()).toBe(2)
  })

  it('says so when memory ends, and serves the next call', async () => {
    let calls = 0
    const { ort } = fakeOrt(() => {
      calls += 1
      return calls === 1 ? Promise.reject(new Error('failed to call OrtRun(). ERROR_MESSAGE: std::bad_alloc')) : Promise.resolve({})
    })
    const sessions = new OnnxSessions(ort, { provider: 'wasm' })
    await expect(sessions.run('a', graph, {})).rejects.toMatchObject({
      code: 'engine-failed',
      title: 'Not enough memory for the forward pass',
      details: { backend: 'wasm' },
    })
    await expect(sessions.run('a', graph, {})).resolves.toEqual({})
  })

  it('tries again to make a session that could not be made', async () => {
    const create = (): Promise<never> => Promise.reject(new Error('no available backend found'))
    const broken = { InferenceSession: { create } } as unknown as Ort
    const sessions = new OnnxSessions(broken, { provider: 'wasm' })
    await expect(sessions.prepare('a', graph)).rejects.toMatchObject({ code: 'engine-failed' })
    await expect(sessions.prepare('a', graph)).rejects.toMatchObject({
      code: 'engine-failed',
      details: { cause: 'no available backend found' },
    })
    await sessions.close()
  })
})
