import { describe, expect, it } from 'vitest'
import { calibrationWindows } from './windows.ts'

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
