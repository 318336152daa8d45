import { describe, expect, it } from 'vitest'
import { calibrationWindows, conversationWindows } from './windows.ts'

const stream = Int32Array.from({ length: 100 }, (_, index) => index + 10)
const options = { contextLength: 5, maxTokens: 30, bos: 1, seed: 3 }

describe('calibrationWindows', () => {
  it('draws as many different pieces as the limit allows, in text order', () => {
    const windows = calibrationWindows(stream, options)
    expect(windows).toHaveLength(6)
    const starts = windows.map((window) => window[1] ?? 0)
    expect(starts).toEqual([...new Set(starts)].sort((a, b) => a - b))
    for (const window of windows) {
      expect(window).toHaveLength(5)
      expect(window[0]).toBe(1)
      expect(((window[1] ?? 0) - 10) % 4).toBe(0)
      expect([...window.subarray(1)]).toEqual([0, 1, 2, 3].map((step) => (window[1] ?? 0) + step))
    }
  })

  it('depends on the seed alone', () => {
    expect(calibrationWindows(stream, options)).toEqual(calibrationWindows(stream, options))
    expect(calibrationWindows(stream, options)).not.toEqual(calibrationWindows(stream, { ...options, seed: 4 }))
  })

  it('takes the whole text when the limit is above it', () => {
    const windows = calibrationWindows(stream, { ...options, bos: null, maxTokens: 1000 })
    expect(windows.flatMap((window) => [...window])).toEqual([...stream])
  })

  it('makes one short window of a short text and refuses an empty one', () => {
    expect(calibrationWindows(Int32Array.of(4, 5), options).map((window) => [...window])).toEqual([[1, 4, 5]])
    expect(() => calibrationWindows(new Int32Array(), options)).toThrow(expect.objectContaining({ code: 'text-too-short' }))
  })
})

describe('conversationWindows', () => {
  // Conversation n is 100 n + 0, 1, 2, …
  const talks = [3, 4, 9, 2, 6, 5].map((length, n) => Int32Array.from({ length }, (_, token) => 100 * n + token))
  const all = { contextLength: 5, maxTokens: 1000, seed: 1 }
  const windows = (options: Partial<typeof all>) => conversationWindows(talks, { ...all, ...options }).map((window) => [...window])

  it('begin where a conversation begins and are full', () => {
    expect(windows({})).toEqual([
      [0, 1, 2, 100, 101],
      [200, 201, 202, 203, 204],
      [300, 301, 400, 401, 402],
      [500, 501, 502, 503, 504],
    ])
  })

  it('are drawn by the seed up to the limit, in text order', () => {
    const drawn = windows({ maxTokens: 14 })
    expect(drawn).toHaveLength(2)
    expect(windows({})).toEqual(expect.arrayContaining(drawn))
    expect((drawn[0]?.[0] ?? 0) < (drawn[1]?.[0] ?? 0)).toBe(true)
    const draws = [1, 2, 3, 4, 5].map((seed) => JSON.stringify(windows({ maxTokens: 10, seed })))
    expect(new Set(draws).size).toBeGreaterThan(1)
  })

  it('make one short window of few tokens and refuse none', () => {
    expect(conversationWindows(talks.slice(0, 1), all).map((window) => [...window])).toEqual([[0, 1, 2]])
    expect(() => conversationWindows([], all)).toThrow(expect.objectContaining({ code: 'text-too-short' }))
  })
})
