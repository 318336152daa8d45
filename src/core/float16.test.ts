import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  bfloat16FromFloat,
  floatFromBfloat16,
  floatFromHalf,
  halfFromFloat,
  largestHalf,
  narrowToBfloat16,
  narrowToHalf,
  roundToHalf,
  smallestHalf,
  widenBfloat16,
  widenHalf,
} from './float16.ts'

const all = Uint16Array.from({ length: 65536 }, (_, bits) => bits)

/** The half's value by its definition. */
function halfByDefinition(bits: number): number {
  const sign = bits >= 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 31
  const mantissa = bits & 1023
  if (exponent === 31) return mantissa === 0 ? sign * Infinity : Number.NaN
  return exponent === 0 ? sign * mantissa * 2 ** -24 : sign * (1 + mantissa / 1024) * 2 ** (exponent - 15)
}

describe('half precision', () => {
  test('all 65,536 have the value of their definition, one by one and in bulk', () => {
    const wide = widenHalf(all)
    const wrong = [...all].filter((bits) => {
      const expected = halfByDefinition(bits)
      return !Object.is(floatFromHalf(bits), expected) || !Object.is(wide[bits], expected)
    })
    expect(wrong).toEqual([])
  })

  test('all 65,536 come back to their bits, NaN to a quiet one', () => {
    const narrow = narrowToHalf(widenHalf(all))
    const wrong = [...all].filter((bits) => {
      const isNaN = (bits & 0x7fff) > 0x7c00
      return isNaN ? ((narrow[bits] ?? 0) & 0x7fff) !== 0x7e00 : narrow[bits] !== bits || halfFromFloat(halfByDefinition(bits)) !== bits
    })
    expect(wrong).toEqual([])
  })

  test('half way between neighbours goes to the even one, anything beside it to the nearer', () => {
    const wrong: number[] = []
    for (let bits = 0; bits < 0x7bff; bits++) {
      const low = halfByDefinition(bits)
      const high = halfByDefinition(bits + 1)
      const middle = (low + high) / 2
      const even = bits % 2 === 0 ? bits : bits + 1
      const nudge = (high - low) / 64
      const ok =
        halfFromFloat(middle) === even &&
        halfFromFloat(middle - nudge) === bits &&
        halfFromFloat(middle + nudge) === bits + 1 &&
        halfFromFloat(-middle) === even + 0x8000
      if (!ok) wrong.push(bits)
    }
    expect(wrong).toEqual([])
  })

  test('the ends', () => {
    expect(halfFromFloat(65519.996)).toBe(0x7bff)
    expect(halfFromFloat(65520)).toBe(0x7c00)
    expect(floatFromHalf(0x7bff)).toBe(largestHalf)
    expect(floatFromHalf(1)).toBe(smallestHalf)
    expect(halfFromFloat(smallestHalf / 2)).toBe(0)
    expect(halfFromFloat(-0)).toBe(0x8000)
  })

  test('rounding twice changes nothing', () => {
    fc.assert(fc.property(fc.float({ noNaN: true }), (x) => Object.is(roundToHalf(roundToHalf(x)), roundToHalf(x))))
  })
})

describe('bfloat16', () => {
  test('all 65,536 come back to their bits, NaN to a quiet one', () => {
    const narrow = narrowToBfloat16(widenBfloat16(all))
    const wrong = [...all].filter((bits) => {
      const isNaN = (bits & 0x7fff) > 0x7f80
      return isNaN
        ? ((narrow[bits] ?? 0) & 0x7fc0) !== 0x7fc0
        : narrow[bits] !== bits || bfloat16FromFloat(floatFromBfloat16(bits)) !== bits
    })
    expect(wrong).toEqual([])
  })

  test('rounds to nearest, ties to even', () => {
    expect(bfloat16FromFloat(1 + 2 ** -8)).toBe(0x3f80)
    expect(bfloat16FromFloat(1 + 3 * 2 ** -8)).toBe(0x3f82)
    expect(bfloat16FromFloat(1 + 2 ** -8 + 2 ** -20)).toBe(0x3f81)
    expect(bfloat16FromFloat(3.4e38)).toBe(0x7f80)
  })

  test('widening reads a view at any offset', () => {
    const bytes = new Uint16Array([0xffff, 0x3f80, 0xc000]).subarray(1)
    expect([...widenBfloat16(bytes)]).toEqual([1, -2])
  })
})
