import { describe, expect, it } from 'vitest'
import type { RecipeReport } from '../pipeline/report.ts'
import type { Recipe } from '../quantization/recipe.ts'
import { reportOf } from '../testing/compare-fixtures.ts'
import { aboveBaseline, effectivePins, frontier, isWithinError, quantizedOf, type Result, recommend, resultsOf } from './results.ts'

interface Figures {
  readonly mb: number
  readonly kl: number
  readonly klError?: number
  readonly above: number
  readonly aboveError?: number
}

function result(id: string, { mb, kl, klError = kl / 50, above, aboveError = 0.0005 }: Figures): Result {
  const recipe: Recipe = {
    id,
    transform: { kind: 'none' },
    grid: { kind: 'affine' },
    rounding: { kind: 'nearest' },
    allocation: { kind: 'uniform' },
    embedding: 'float',
    head: 'float',
    overrides: [],
  }
  const report: RecipeReport = {
    id,
    recipe,
    bitsPerWeight: mb,
    blockBitsPerWeight: mb,
    bytes: mb * 1e6,
    bytesOf: 'gguf',
    nll: 2,
    nllError: 0.01,
    perplexity: 8 * (1 + above),
    perplexityError: 0.1,
    aboveFloat: { value: above, error: aboveError },
    klDivergence: { mean: kl, meanError: klError, median: kl, p999: kl, max: kl },
    sameTopToken: 0.9,
    sameTopTokenError: 0.01,
    layers: [],
    artifacts: [],
    backend: 'reference',
    seconds: 1,
  }
  return { recipe, slot: 0, report }
}

const eight = result('8bit', { mb: 1170, kl: 0.0004, above: 0.0006 })
const four = result('4bit', { mb: 669, kl: 0.0264, above: 0.024 })
const fourBetter = result('4bit+', { mb: 669, kl: 0.0193, above: 0.015 })
const three = result('3bit', { mb: 500, kl: 0.2, above: 0.2 })
const all = [eight, four, fourBetter, three]

describe('recommendation', () => {
  it('takes the lowest divergence at or under the budget', () => {
    expect(recommend(all, 700e6)).toMatchObject({ rule: 'under-budget', result: { recipe: { id: '4bit+' } }, ties: [] })
    expect(recommend(all, 669e6)?.result.recipe.id).toBe('4bit+')
    expect(recommend(all, 2000e6)?.result.recipe.id).toBe('8bit')
  })

  it('takes the smallest within 1 % of float without a budget', () => {
    const five = result('5bit', { mb: 800, kl: 0.006, above: 0.0099 })
    expect(recommend([...all, five], null)).toMatchObject({ rule: 'within-1-percent', result: { recipe: { id: '5bit' } } })
    expect(recommend(all, null)?.result.recipe.id).toBe('8bit')
  })

  it('is a recipe that some format holds, where there is one', () => {
    const five = result('5bit', { mb: 800, kl: 0.006, above: 0.0099 })
    const homeless = { ...five, report: { ...five.report, bytesOf: 'stored' } }
    expect(recommend([...all, homeless], null)?.result.recipe.id).toBe('8bit')
    expect(recommend([homeless], null)?.result.recipe.id).toBe('5bit')
  })

  it('says so when nothing is near float, or nothing fits the budget', () => {
    expect(recommend([four, three], null)).toMatchObject({ rule: 'closest', result: { recipe: { id: '4bit' } } })
    expect(recommend(all, 1e6)).toMatchObject({ rule: 'closest', result: { recipe: { id: '8bit' } } })
    expect(recommend([], null)).toBeNull()
  })

  it('gives a tie within error to the smaller file and names the other', () => {
    const small = result('small', { mb: 600, kl: 0.0198, klError: 0.0004, above: 0.016 })
    const found = recommend([fourBetter, small, three], 700e6)
    expect(found?.result.recipe.id).toBe('small')
    expect(found?.ties.map((tie) => tie.recipe.id)).toEqual(['4bit+'])
  })
})

describe('pins', () => {
  const none = { a: null, b: null }

  it('default to the recommendation and its nearest rival in size', () => {
    const pins = effectivePins(none, all, recommend(all, 700e6))
    expect([pins.a?.recipe.id, pins.b?.recipe.id]).toEqual(['4bit+', '4bit'])
  })

  it('are as the person chose, and never the same recipe twice', () => {
    const recommendation = recommend(all, 700e6)
    expect(effectivePins({ a: '3bit', b: null }, all, recommendation).b?.recipe.id).toBe('4bit+')
    const taken = effectivePins({ a: null, b: '4bit+' }, all, recommendation)
    expect(taken.b?.recipe.id).toBe('4bit+')
    expect(taken.a?.recipe.id).toBe('8bit')
    expect(effectivePins(none, [eight], recommend([eight], null))).toEqual({ a: eight, b: null })
  })
})

describe('figures against a baseline', () => {
  it('are the paired ones of the report against float', () => {
    expect(aboveBaseline(four.report, null)).toBe(four.report.aboveFloat)
  })

  it('compare perplexities against another recipe, with both errors', () => {
    const above = aboveBaseline(four.report, fourBetter.report)
    expect(above.value).toBeCloseTo(1.024 / 1.015 - 1, 12)
    expect(above.error).toBeGreaterThan(0.0005 / 1.015)
    expect(above.error).toBeLessThan(0.001)
    expect(aboveBaseline(four.report, four.report)).toEqual({ value: 0, error: 0 })
  })

  it('are the same within two errors', () => {
    expect(isWithinError({ value: 0.001, error: 0.0005 })).toBe(true)
    expect(isWithinError({ value: -0.0011, error: 0.0005 })).toBe(false)
  })

  it('put on the frontier what nothing beats on both counts', () => {
    const onIt = frontier(all, (report) => report.klDivergence.mean).map((entry) => entry.recipe.id)
    expect(onIt).toEqual(['3bit', '4bit+', '8bit'])
  })
})

describe('a run that measured nothing', () => {
  it('has files to export and no results to compare', () => {
    const results = [result('a', { mb: 3, kl: 0.1, above: 0.01 }), result('b', { mb: 2, kl: 0.2, above: 0.02 })]
    const measured = reportOf(results)
    const unmeasured = { ...measured, evaluation: null }
    expect(resultsOf(results, measured).map(({ recipe }) => recipe.id)).toEqual(['a', 'b'])
    expect(resultsOf(results, unmeasured)).toEqual([])
    expect(quantizedOf(results, unmeasured).map(({ recipe }) => recipe.id)).toEqual(['a', 'b'])
    expect(quantizedOf(results, null)).toEqual([])
  })
})
