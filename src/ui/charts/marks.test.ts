import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { toCsv } from './csv.ts'
import { dominates, frontier } from './frontier.ts'
import { heatStep } from './heat.ts'
import { escapeXml, pictureFileName, placeLegend } from './picture.ts'
import { maxPerColumn } from './thin.ts'

describe('frontier', () => {
  test('keeps what nothing beats on both counts, by size', () => {
    const points = [
      { id: 'Q8_0', size: 1170, loss: 0.06 },
      { id: 'gptq', size: 669, loss: 1.5 },
      { id: 'plain', size: 669, loss: 2.4 },
      { id: 'nf4', size: 762, loss: 3.9 },
      { id: 'budget', size: 600, loss: 2.7 },
    ]
    expect(frontier(points).map((point) => point.id)).toEqual(['budget', 'gptq', 'Q8_0'])
  })

  test('no kept point is dominated and every other point is dominated or equal', () => {
    const point = fc.record({ size: fc.integer({ min: 0, max: 20 }), loss: fc.integer({ min: 0, max: 20 }) })
    fc.assert(
      fc.property(fc.array(point, { maxLength: 12 }), (raw) => {
        const points = raw.map((value, index) => ({ ...value, id: String(index) }))
        const kept = frontier(points)
        for (const one of kept) expect(points.some((other) => dominates(other, one))).toBe(false)
        for (const one of points) {
          if (kept.includes(one)) continue
          expect(kept.some((other) => dominates(other, one) || (other.size === one.size && other.loss === one.loss))).toBe(true)
        }
      }),
    )
  })
})

test('the heat ramp has nine steps, log, clamped at both ends', () => {
  const domain = [1e-5, 1e-1] as const
  expect([1e-9, 1e-5, 1e-3, 0.09, 0.1, 5].map((value) => heatStep(value, domain))).toEqual([0, 0, 4, 8, 8, 8])
})

describe('thinning', () => {
  test('never loses the largest value of a stretch', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 300 }),
        fc.integer({ min: 1, max: 50 }),
        (values, columns) => {
          const sticks = maxPerColumn(values, columns)
          expect(sticks.length).toBe(Math.min(columns, values.length))
          expect(Math.max(...sticks.map((stick) => stick.value))).toBe(Math.max(...values))
          for (const stick of sticks) expect(values[stick.index]).toBe(stick.value)
        },
      ),
    )
  })

  test('keeps all values when there is room', () => {
    expect(maxPerColumn([3, 1, 2], 100).map((stick) => stick.value)).toEqual([3, 1, 2])
  })
})

describe('CSV', () => {
  test('numbers keep full precision, text is quoted where needed, what is not measured is empty', () => {
    expect(
      toCsv(
        ['recipe', 'perplexity'],
        [
          ['a,"b"', 8.090123456789012],
          ['c', null],
        ],
      ),
    ).toBe('recipe,perplexity\r\n"a,""b""",8.090123456789012\r\nc,\r\n')
  })

  test('text that a spreadsheet would run as a formula is disarmed', () => {
    expect(toCsv(['x'], [['=HYPERLINK("http://x")'], ['-1'], [-1]])).toBe('x\r\n"\'=HYPERLINK(""http://x"")"\r\n\'-1\r\n-1\r\n')
  })
})

describe('pictures', () => {
  test('file names hold nothing a file system minds', () => {
    expect(pictureFileName('owner/Model 1.1B', 'Where the error is made', 'png')).toBe('owner-Model-1.1B_where-the-error-is-made.png')
  })

  test('the legend of a picture runs in rows of its width', () => {
    const entries = ['Q8_0', 'nearest-3bit-g64', 'Q4_0'].map((id, slot) => ({ id, slot }))
    expect(placeLegend(entries, 240).entries.map(({ x, y }) => [x, y])).toEqual([
      [0, 8],
      [66, 8],
      [0, 28],
    ])
    expect(placeLegend(entries, 240).height).toBe(48)
    expect(placeLegend([], 240).height).toBe(0)
  })

  test('titles are escaped', () => {
    expect(escapeXml('a < b & "c"')).toBe('a &lt; b &amp; &quot;c&quot;')
  })
})
