import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { layer, reportOf, result } from '../../../testing/compare-fixtures.ts'
import { columns, gridsOf, resultsCsv, sortResults } from './columns.ts'
import { compareContinuation, equalText, tail, visible } from './continuation-text.ts'
import { layerRows, sortLayers } from './layer-rows.ts'
import { addressOfSort, sortAfterPress, sortInAddress } from './sort-address.ts'

const q8 = result('Q8_0', 0, { bytes: 1170e6, above: 0.0006, error: 0.0004, kl: 0.0004, blockBits: 8.5 })
const q4 = result('Q4_0', 1, { bytes: 669e6, above: 0.024, layers: [layer(0, 'up', 0.01), layer(1, 'up', 0.04)] })
const results = [q4, q8]
const facts = {
  report: reportOf(results),
  baseline: null,
  baselineName: 'float',
  speeds: { Q4_0: 16.87 },
  formatTitle: (id: string) => id.toUpperCase(),
}
const text = (key: string, of: typeof q4): string => columns.find((column) => column.key === key)?.cell(of, facts).text ?? ''

describe('table of recipes', () => {
  test('cells are written as figures of their kind, with errors and "same within error"', () => {
    expect(['bits', 'size', 'share', 'perplexity', 'above', 'kl', 'same-top', 'speed', 'worst'].map((key) => text(key, q4))).toEqual([
      '4.80',
      '669.0',
      '33.5 %',
      '8.192',
      '+2.4 %',
      '0.0240',
      '97.6 %',
      '16.9',
      '0.040 1.up',
    ])
    expect(text('above', q8)).toBe('same within error')
    expect(text('speed', q8)).toBe('–')
  })

  test('sorts by any column both ways; what is not measured comes last', () => {
    const ids = (column: string, isDescending = false): readonly string[] =>
      sortResults(results, { column, isDescending }, facts).map((one) => one.recipe.id)
    for (const { key } of columns) expect(ids(key).toSorted()).toEqual(['Q4_0', 'Q8_0'])
    expect(ids('size')).toEqual(['Q4_0', 'Q8_0'])
    expect(ids('size', true)).toEqual(['Q8_0', 'Q4_0'])
    expect(ids('kl')).toEqual(['Q8_0', 'Q4_0'])
    expect([ids('speed'), ids('speed', true)]).toEqual([
      ['Q4_0', 'Q8_0'],
      ['Q4_0', 'Q8_0'],
    ])
    expect(ids('recipe', true)).toEqual(['Q8_0', 'Q4_0'])
  })

  test('another baseline changes the figures above it and their name', () => {
    const against = { ...facts, baseline: q8.report, baselineName: 'Q8_0' }
    const above = columns.find((column) => column.key === 'above')
    expect(above?.cell(q8, against).text).toBe('baseline')
    expect(above?.float(against.report.evaluation.float, against).text).toBe('−0.060 %')
    expect(resultsCsv(results, against).columns).toContain('above Q8_0')
  })

  test('CSV: float first, full precision, one row a recipe, every row as long as the head', () => {
    const csv = resultsCsv(results, facts)
    expect(csv.rows.map((row) => row[0])).toEqual(['float', 'Q4_0', 'Q8_0'])
    for (const row of csv.rows) expect(row.length).toBe(csv.columns.length)
    expect(csv.rows[1]?.[csv.columns.indexOf('perplexity')]).toBe(8 * 1.024)
    expect(csv.rows[0]?.[csv.columns.indexOf('bytes')]).toBe(2_000_000_000)
    expect(csv.rows[2]?.[csv.columns.indexOf('worst layer')]).toBeNull()
  })

  test('grids as they were used, most frequent first', () => {
    const mixed = { ...q4.report, layers: [layer(0, 'up', 1), { ...layer(1, 'up', 1), grid: 'F16' }, layer(2, 'up', 1)] }
    expect(gridsOf(mixed)).toBe('4bit-g32 ×2, F16 ×1')
    expect(gridsOf(q4.report)).toBe('4bit-g32')
  })
})

describe('sort order in the address', () => {
  test('goes there and back', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.boolean(), (column, isDescending) => {
        expect(sortInAddress(addressOfSort({ column, isDescending }))).toEqual({ column, isDescending })
      }),
    )
  })

  test('other addresses hold none', () => {
    expect(['', '#compare', '#export?sort=kl', '#compare?order=up'].map(sortInAddress)).toEqual([null, null, null, null])
  })

  test('the same column turns round, another begins with its smallest', () => {
    expect(sortAfterPress({ column: 'kl', isDescending: false }, 'kl')).toEqual({ column: 'kl', isDescending: true })
    expect(sortAfterPress({ column: 'kl', isDescending: true }, 'size')).toEqual({ column: 'size', isDescending: false })
  })
})

describe('layers', () => {
  const rows = layerRows([layer(10, 'up', 0.01), layer(9, 'up', 0.04)], [layer(9, 'up', 0.001)])

  test('the rival’s error stands beside it where it has one', () => {
    expect(rows.map((row) => row.other)).toEqual([null, 0.001])
  })

  test('names sort by number; errors by size', () => {
    expect(sortLayers(rows, 'name', false).map((row) => row.layer.block)).toEqual([9, 10])
    expect(sortLayers(rows, 'error', true).map((row) => row.layer.block)).toEqual([9, 10])
    expect(sortLayers(rows, 'other', false).map((row) => row.layer.block)).toEqual([10, 9])
  })
})

describe('continuations', () => {
  const pieces = [' a', ' little', ' girl', ' named', ' Lily']

  test('cut at the first token that differs; the space before it is not marked', () => {
    expect(compareContinuation({ pieces, firstDifference: 2 })).toEqual({
      equalTokens: 2,
      tokens: 5,
      same: 'a little ',
      mark: 'girl',
      rest: ' named Lily',
      endsEarly: false,
    })
  })

  test('nothing is lost: the three parts are the text', () => {
    fc.assert(
      fc.property(fc.array(fc.string(), { maxLength: 12 }), fc.nat({ max: 14 }), fc.boolean(), (tokens, at, isEqual) => {
        const { same, mark, rest } = compareContinuation({ pieces: tokens, firstDifference: isEqual ? null : at })
        expect((same + mark + rest).trimStart()).toBe(tokens.join('').trimStart())
      }),
    )
  })

  test('equal to the end, and ending early', () => {
    const equal = compareContinuation({ pieces, firstDifference: null })
    expect([equal.mark, equal.endsEarly, equalText(equal)]).toEqual(['', false, '5 of 5 tokens equal'])
    const early = compareContinuation({ pieces, firstDifference: 5 })
    expect([early.mark, early.endsEarly]).toEqual(['', true])
    expect(equalText(compareContinuation({ pieces, firstDifference: 2 }))).toBe('first 2 of 5 tokens equal')
  })

  test('white space that differs can be seen', () => {
    const { mark } = compareContinuation({ pieces: ['a', '\n\n'], firstDifference: 1 })
    expect(visible(mark)).toBe('↵↵')
    expect(visible('word')).toBe('word')
  })

  test('the end of the equal part is cut at a word', () => {
    expect(tail('short')).toBe('short')
    expect(tail('Once upon a time, there was a little girl named Lily. She', 24)).toBe('…girl named Lily. She')
  })
})
