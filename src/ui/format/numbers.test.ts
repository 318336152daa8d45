import { describe, expect, it } from 'vitest'
import * as n from './numbers.ts'

describe('number forms', () => {
  it('writes bytes in decimal units with 3 or 4 digits', () => {
    expect(n.bytes(668_788_096)).toBe('668.8 MB')
    expect(n.bytes(2_200_096_768)).toBe('2.20 GB')
    expect(n.bytes(41_203)).toBe('41 kB')
    expect(n.bytes(412_345)).toBe('412 kB')
    expect(n.bytes(999_600)).toBe('1.00 MB')
    expect(n.bytes(2_690_345)).toBe('2.69 MB')
    expect(n.bytes(1)).toBe('1 byte')
    expect(n.exactBytes(668_788_096)).toBe('668,788,096 bytes')
    expect(n.megabytes(1_169_812_000)).toBe('1,169.8')
    expect(n.megabytes(4_512_345)).toBe('4.51')
  })

  it('signs changes with a true minus and 2 significant digits', () => {
    expect(n.changePercent(0.0151)).toBe('+1.5 %')
    expect(n.changePercent(-0.0094)).toBe('−0.94 %')
    expect(n.changePercent(0.216)).toBe('+22 %')
    expect(n.changePercent(0.00064)).toBe('+0.064 %')
    expect(n.changePercent(0)).toBe('0 %')
    expect(n.points(-0.009)).toBe('−0.9 pt')
  })

  it('calls a change within two errors the same', () => {
    expect(n.change({ value: 0.015, error: 0.001 })).toBe('+1.5 % ± 0.1')
    expect(n.change({ value: 0.002, error: 0.001 })).toBe('same within error')
    expect(n.change({ value: 0.0021, error: 0.001 })).toBe('+0.21 % ± 0.1')
  })

  it('keeps significant digits through rounding to the next power of ten', () => {
    expect(n.significant(0.0996, 2)).toBe('0.10')
    expect(n.significant(0.00213, 2)).toBe('0.0021')
    expect(n.significant(27.13, 2)).toBe('27')
    expect(n.significant(Number.NaN, 2)).toBe('–')
    expect(n.divergence(0.01934)).toBe('0.0193')
    expect(n.layerError(3.14e-8)).toBe('3.1 × 10⁻⁸')
    expect(n.decibels(27.13)).toBe('27.1 dB')
    expect(n.perplexity(8.09)).toBe('8.090')
    expect(n.plusMinus(0.1123)).toBe('± 0.11')
    expect(n.percent(0.9381)).toBe('93.8 %')
  })

  it('writes running time as a clock and estimates as words, rounded up', () => {
    expect(n.clock(252)).toBe('4:12')
    expect(n.clock(3723)).toBe('1:02:03')
    expect(n.duration(2.1)).toBe('about 3 seconds')
    expect(n.duration(18)).toBe('about 20 seconds')
    expect(n.duration(121)).toBe('about 3 minutes')
    expect(n.duration(60 * 100)).toBe('about 2 hours')
    expect(n.duration(0)).toBe('about 1 second')
  })

  it('writes rates and counts', () => {
    expect(n.rate(212_345_678, 'weights')).toBe('212 M weights/s')
    expect(n.rate(9871, 'tokens')).toBe('9,870 tokens/s')
    expect(n.speed(16.87)).toBe('16.9')
    expect(n.counted(1, 'token')).toBe('1 token')
    expect(n.shape([2048, 5632])).toBe('2,048 × 5,632')
  })
})
