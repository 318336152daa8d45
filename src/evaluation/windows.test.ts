import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { makeWindows, targetsOf, type WindowOptions } from './windows.ts'

const stream = (length: number): Int32Array => Int32Array.from({ length }, (_, index) => index + 10)
const base: WindowOptions = { protocol: 'windows', contextLength: 4, maxTokens: null, bos: 1 }

describe('windows', () => {
  it('puts the first token in front of contextLength - 1 fresh ones and drops the tail', () => {
    const set = makeWindows(stream(8), base)
    expect(set.windows.map((window) => [...window])).toEqual([
      [1, 10, 11, 12],
      [1, 13, 14, 15],
    ])
    expect(set).toMatchObject({ scoredPerWindow: 3, scoredTokens: 6, tokens: 8, firstScored: 0 })
    expect([...targetsOf(set, set.windows[0] ?? new Int32Array())]).toEqual([10, 11, 12, -1])
  })

  it('uses whole windows of text where the tokenizer has no first token', () => {
    const set = makeWindows(stream(8), { ...base, bos: null })
    expect(set.windows.map((window) => [...window])).toEqual([
      [10, 11, 12, 13],
      [14, 15, 16, 17],
    ])
    expect(set.scoredPerWindow).toBe(3)
  })

  it('never repeats or skips a token', () => {
    const cases = fc.record({
      length: fc.integer({ min: 40, max: 400 }),
      contextLength: fc.integer({ min: 2, max: 20 }),
      bos: fc.constantFrom(null, 1),
    })
    fc.assert(
      fc.property(cases, ({ length, contextLength, bos }) => {
        const set = makeWindows(stream(length), { ...base, contextLength, bos })
        const fresh = set.windows.flatMap((window) => [...(bos === null ? window : window.subarray(1))])
        expect(fresh).toEqual([...stream(fresh.length)])
        expect(length - fresh.length).toBeLessThan(contextLength)
        expect(set.windows.every((window) => window.length === contextLength)).toBe(true)
      }),
    )
  })
})

describe("llama.cpp's windows", () => {
  const options: WindowOptions = { ...base, protocol: 'llama.cpp' }

  it('cut the stream that begins with the first token and replace the first of each chunk', () => {
    // 1 10 11 12 | 13 14 15 16 | 17, with 13 replaced
    const set = makeWindows(stream(8), options)
    expect(set.windows.map((window) => [...window])).toEqual([
      [1, 10, 11, 12],
      [1, 14, 15, 16],
    ])
    expect(set).toMatchObject({ firstScored: 2, scoredPerWindow: 1, scoredTokens: 2 })
    expect([...targetsOf(set, set.windows[1] ?? new Int32Array())]).toEqual([-1, -1, 16, -1])
  })

  it.each([
    [512, 255],
    [2048, 1023],
    [5, 2],
  ])('score the second half: %i tokens give %i', (contextLength, scored) => {
    const set = makeWindows(stream(2 * contextLength), { ...options, contextLength })
    expect(set.scoredPerWindow).toBe(scored)
    expect(targetsOf(set, set.windows[0] ?? new Int32Array()).filter((id) => id >= 0)).toHaveLength(scored)
  })

  it('count the first token as one of the 2 * contextLength that are needed', () => {
    expect(makeWindows(stream(7), options).windows).toHaveLength(2)
    expect(() => makeWindows(stream(7), { ...options, bos: null })).toThrow()
  })
})

describe('limits', () => {
  it('names what is needed when the text is too short', () => {
    expect(() => makeWindows(stream(41), { ...base, contextLength: 256 })).toThrow(
      expect.objectContaining({
        code: 'text-too-short',
        title: 'The text is too short to measure',
        message: 'At least 2 windows of 256 tokens are needed; this text has 41 tokens.',
      }),
    )
    expect(() => makeWindows(stream(0), base)).toThrow(expect.objectContaining({ code: 'text-too-short' }))
    expect(() => makeWindows(stream(1), base)).toThrow('this text has 1 token.')
  })

  it('run no more tokens than allowed, and refuse less than two windows', () => {
    expect(makeWindows(stream(100), { ...base, maxTokens: 15 }).tokens).toBe(12)
    expect(() => makeWindows(stream(100), { ...base, maxTokens: 7 })).toThrow(expect.objectContaining({ code: 'usage' }))
  })

  it.each([0, 1, 2.5, Number.NaN])('refuse a context of %d', (contextLength) => {
    expect(() => makeWindows(stream(100), { ...base, contextLength })).toThrow(expect.objectContaining({ code: 'usage' }))
  })
})
