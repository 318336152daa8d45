import fc from 'fast-check'
import { expect, test } from 'vitest'
import { turnLines, wordsOfFloats } from './turn-lines.ts'

test('words of lines come row by row, whatever part of a line is asked for, and nothing else is touched', () => {
  const sizes = fc.record({ lines: fc.integer({ min: 1, max: 70 }), first: fc.nat(40), count: fc.nat(70), after: fc.nat(3), to: fc.nat(5) })
  fc.assert(
    fc.property(sizes, ({ lines, first, count, after, to }) => {
      const lineWords = first + count + after
      const words = Int32Array.from({ length: lines * lineWords }, (_, index) => index + 1)
      const rows = new Int32Array(to + count * lines + 1)
      turnLines(words, { lineWords, first, count }, rows, to)
      const expected = Array.from({ length: count * lines }, (_, at) => (at % lines) * lineWords + first + Math.floor(at / lines) + 1)
      expect([...rows]).toEqual([...new Array<number>(to).fill(0), ...expected, 0])
    }),
  )
})

test('floats are turned as the words they are: a NaN keeps its bits', () => {
  const floats = new Float32Array(new Uint32Array([0x7fa00001, 0x80000000, 0x3f800000]).buffer)
  const rows = new Float32Array(3)
  turnLines(wordsOfFloats(floats), { lineWords: 1, first: 0, count: 1 }, wordsOfFloats(rows), 0)
  expect([...new Uint32Array(rows.buffer)]).toEqual([0x7fa00001, 0x80000000, 0x3f800000])
})
