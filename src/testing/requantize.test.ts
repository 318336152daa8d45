import { describe, expect, it } from 'vitest'
import { requantize } from './requantize.ts'

describe('requantize', () => {
  it('gives what a kernel of TensorFlow Lite gives for a sum that was worked out by hand', () => {
    // Input scale 0.05, rows of 0.01, 0.02 and 0.03, output scale 0.1: 41.75, -127.4 and -2.865.
    expect([8350, -12740, -191].map((sum, row) => requantize(sum, (0.05 * 0.01 * (row + 1)) / 0.1))).toEqual([42, -127, -3])
  })

  it('rounds twice, halves away from 0, and clamps', () => {
    // 0.5 - 2^-9: the first rounding makes it a half.
    expect([127, 128, -127, -128, 126].map((sum) => requantize(sum, 2 ** -8))).toEqual([1, 1, 0, -1, 0])
    expect([1000, -1000].map((sum) => requantize(sum, 0.5))).toEqual([127, -128])
    expect(requantize(7, 0)).toBe(0)
    expect(requantize(3, 4)).toBe(12)
  })
})
