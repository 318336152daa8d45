import { describe, expect, it } from 'vitest'
import { argMax, firstDifference, type GenerateOptions, generate, sample } from './generate.ts'

const options: GenerateOptions = { prompt: [7, 8], maxTokens: 5, temperature: 0, seed: 1, stopIds: [] }

/** Always prefers the id after the last one given; remembers what it was asked. */
function counting(vocab: number): { asked: (readonly number[])[]; next: (ids: readonly number[]) => Promise<Float32Array> } {
  const asked: (readonly number[])[] = []
  const next = (ids: readonly number[]): Promise<Float32Array> => {
    asked.push(ids)
    const logits = new Float32Array(vocab)
    logits[((ids.at(-1) ?? 0) + 1) % vocab] = 3
    return Promise.resolve(logits)
  }
  return { asked, next }
}

async function collect(ids: AsyncIterable<number>): Promise<number[]> {
  const all: number[] = []
  for await (const id of ids) all.push(id)
  return all
}

describe('generate', () => {
  it('gives the prompt once and then each new token', async () => {
    const { asked, next } = counting(20)
    expect(await collect(generate(next, options))).toEqual([9, 10, 11, 12, 13])
    expect(asked).toEqual([[7, 8], [9], [10], [11], [12]])
  })

  it('ends before a stop token', async () => {
    expect(await collect(generate(counting(20).next, { ...options, stopIds: [11] }))).toEqual([9, 10])
  })

  it('draws the same for the same seed and something else for another', async () => {
    const flat = (): Promise<Float32Array> => Promise.resolve(new Float32Array(50))
    const sampled = (seed: number): Promise<number[]> => collect(generate(flat, { ...options, temperature: 1, seed, maxTokens: 20 }))
    expect(await sampled(3)).toEqual(await sampled(3))
    expect(await sampled(3)).not.toEqual(await sampled(4))
  })

  it('stops when told to', async () => {
    const controller = new AbortController()
    const ids = generate(counting(20).next, options, controller.signal)
    await ids.next()
    controller.abort()
    await expect(ids.next()).rejects.toMatchObject({ code: 'aborted' })
  })
})

describe('choosing a token', () => {
  it('takes the first of the largest', () => {
    expect(argMax(Float32Array.of(-2, 5, 5, 1))).toBe(1)
    expect(argMax(Float32Array.of(-Infinity, -7))).toBe(1)
  })

  it('samples by cumulative probability', () => {
    const logits = Float32Array.of(0, Math.log(2), -Infinity, 0)
    expect([0, 0.24, 0.26, 0.74, 0.76, 0.9999999].map((uniform) => sample(logits, 1, uniform))).toEqual([0, 0, 1, 1, 3, 3])
  })

  it('sharpens as the temperature falls, without overflow', () => {
    expect(sample(Float32Array.of(500, 400), 0.01, 0.999)).toBe(0)
  })
})

describe('firstDifference', () => {
  it.each([
    [[1, 2, 3], [1, 2, 3], null],
    [[1, 2, 3], [1, 9, 3], 1],
    [[1, 2], [1, 2, 3], 2],
    [[], [], null],
  ])('of %j and %j is %s', (a, b, expected) => {
    expect(firstDifference(a, b)).toBe(expected)
  })
})
