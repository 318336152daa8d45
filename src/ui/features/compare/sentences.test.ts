import { describe, expect, test } from 'vitest'
import { recommend } from '../../../state/results.ts'
import { reportOf, result } from '../../../testing/compare-fixtures.ts'
import { budgetText, headlineText } from './headline-text.ts'
import { differenceOf, pairedRows, pairedSentence } from './paired.ts'

type Fixture = ReturnType<typeof result>

function headline(results: readonly Fixture[], budgetBytes: number | null) {
  const recommendation = recommend(results, budgetBytes)
  if (recommendation === null) throw new Error('nothing recommended')
  return headlineText(recommendation, results, { report: reportOf(results), budgetBytes })
}

describe('headline', () => {
  const q8 = result('Q8_0', 0, { bytes: 1170e6, above: 0.0006, error: 0.0004, kl: 0.0004 })
  const q4 = result('Q4_0', 1, { bytes: 669e6, above: 0.024 })
  const q3 = result('Q3', 2, { bytes: 560e6, above: 0.2 })

  test('with a budget it names the recipe closest to float under it, and what the next smaller costs', () => {
    expect(headline([q8, q4, q3], 700e6)).toEqual({
      title: 'Under 700 MB, Q4_0 stays closest to float',
      text: '669.0 MB, perplexity +2.4 % ± 0.1. Q3 saves another 109.0 MB and costs +20 %. Measured on 20,480 tokens of Bundled stories.',
    })
  })

  test('without one it names the smallest within 1 % of float', () => {
    const { title, text } = headline([q8, q4], null)
    expect(title).toBe('Q8_0 is the smallest within 1 % of float')
    expect(text).toContain('perplexity same as float within error.')
  })

  test('a budget nothing fits under is said', () => {
    expect(headline([q8, q4], 100e6).title).toBe('Nothing fits under 100 MB; Q8_0 stays closest to float')
  })

  test('a tie within error goes to the smaller file, and the sentence says so', () => {
    const twin = result('Q4_K', 3, { bytes: 690e6, above: 0.0239, kl: 0.0239, klError: 0.001 })
    const { title, text } = headline([q4, twin], 700e6)
    expect(title).toBe('Under 700 MB, Q4_0 stays closest to float')
    expect(text).toContain('Q4_K cannot be told apart from it and is 21.0 MB larger.')
  })

  test('one recipe alone, and nothing within 1 %', () => {
    expect(headline([q4], null).title).toBe('Q4_0 costs +2.4 % perplexity')
    expect(headline([q4, q3], null).title).toBe('Q4_0 stays closest to float; nothing is within 1 %')
  })

  test('round budgets are written round', () => {
    expect([700e6, 712.5e6, 1.2e9].map(budgetText)).toEqual(['700 MB', '712.5 MB', '1.20 GB'])
  })
})

describe('pinned pair', () => {
  const a = result('A', 0, { bytes: 668.8e6, above: 0.015, kl: 0.0193 }).report
  const b = result('B', 1, { bytes: 668.8e6, above: 0.024, kl: 0.0264 }).report
  const float = { baseline: null, baselineName: 'float' }

  test('A, B and A − B, percentages in points and divergence in percent', () => {
    expect(pairedRows(a, b, float).map(({ label, a: left, b: right, difference }) => [label, left, right, difference])).toEqual([
      ['Size, MB', '668.8', '668.8', '0'],
      ['Perplexity', '8.120', '8.192', '−0.072'],
      ['Above float', '+1.5 %', '+2.4 %', '−0.9 pt'],
      ['KL, mean', '0.0193', '0.0264', '−27 %'],
      ['KL, 99.9 %', '0.386', '0.528', '−27 %'],
      ['Same top token', '98.1 %', '97.4 %', '+0.7 pt'],
    ])
  })

  test('a difference of at most two errors is called the same', () => {
    const near = result('near', 1, { bytes: 600e6, above: 0.0155, kl: 0.0194 }).report
    const rows = pairedRows(a, near, float)
    expect(rows.filter((row) => row.isSame).map((row) => row.label)).toEqual(['Perplexity', 'Above float', 'KL, mean', 'Same top token'])
    expect(pairedSentence(a, near)).toBe('A is 68.8 MB larger. Their divergence from float is the same within error.')
  })

  test('another baseline gives its name to the row', () => {
    const rows = pairedRows(a, b, { baseline: b, baselineName: 'B' })
    expect(rows[2]).toMatchObject({ label: 'Above B', b: '0 %' })
  })

  test('the sentence says who wins and by how much', () => {
    expect(pairedSentence(a, b)).toBe('Same bytes. A removes 27 % of B’s divergence from float.')
    expect(pairedSentence(b, a)).toBe('Same bytes. B removes 27 % of A’s divergence from float.')
  })

  test('errors add in squares', () => {
    expect(differenceOf({ value: 5, error: 3 }, { value: 1, error: 4 })).toEqual({ value: 4, error: 5 })
  })
})
