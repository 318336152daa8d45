import { describe, expect, it } from 'vitest'
import type { LogitState } from '../kernels/contract/kernels.ts'
import { joinScores, likelihoodFigures, meanOf, quantile, recipeFigures, scoreTokens, type TokenScores } from './figures.ts'
import { exactSqnrDb, layerFigures } from './layer-figures.ts'

/** Finished sums of one token whose whole vocabulary is given. */
function stateOf(
  tokens: readonly { readonly float: readonly number[]; readonly recipe: readonly number[]; readonly target: number }[],
): LogitState {
  const of = (pick: (token: (typeof tokens)[number]) => number): Float64Array<ArrayBuffer> => Float64Array.from(tokens, pick)
  const largest = (row: readonly number[]): number => Math.max(...row)
  const sum = (row: readonly number[]): number => row.reduce((total, logit) => total + Math.exp(logit - largest(row)), 0)
  return {
    floatMax: of(({ float }) => largest(float)),
    floatSum: of(({ float }) => sum(float)),
    recipeMax: of(({ recipe }) => largest(recipe)),
    recipeSum: of(({ recipe }) => sum(recipe)),
    weighted: of(({ float, recipe }) =>
      float.reduce((total, logit, id) => total + Math.exp(logit - largest(float)) * (logit - (recipe[id] ?? 0)), 0),
    ),
    floatArgMax: Int32Array.from(tokens, ({ float }) => float.indexOf(largest(float))),
    recipeArgMax: Int32Array.from(tokens, ({ recipe }) => recipe.indexOf(largest(recipe))),
    floatTarget: of(({ float, target }) => float[target] ?? 0),
    recipeTarget: of(({ recipe, target }) => recipe[target] ?? 0),
  }
}

describe('scoreTokens', () => {
  // the vector of formats/evaluation.md section 3.2
  const token = { float: [2, 1, 0], recipe: [1.8, 1.2, 0.1], target: 0 }

  it('gives the likelihoods and the divergence of a worked example', () => {
    const scores = scoreTokens(stateOf([token]), Int32Array.of(0))
    expect(scores.floatNll[0]).toBeCloseTo(0.407606, 6)
    expect(scores.recipeNll[0]).toBeCloseTo(0.5489853, 6)
    expect(scores.klDivergence[0]).toBeCloseTo(0.0164788, 6)
    expect([...scores.isSameTop]).toEqual([1])
  })

  it('leaves out positions without a target', () => {
    const scores = scoreTokens(stateOf([token, token, { ...token, recipe: [0, 1, 0] }]), Int32Array.of(-1, 0, 0))
    expect(scores.floatNll).toHaveLength(2)
    expect([...scores.isSameTop]).toEqual([1, 0])
  })

  it('never reports a negative divergence', () => {
    const same = { float: [0.1, 0.7, -3.3], recipe: [0.1, 0.7, -3.3], target: 1 }
    expect(scoreTokens(stateOf([same]), Int32Array.of(1)).klDivergence[0]).toBeGreaterThanOrEqual(0)
  })
})

describe('recipeFigures', () => {
  const scores: TokenScores = {
    floatNll: Float64Array.of(1, 2, 3, 2),
    recipeNll: Float64Array.of(1.1, 2.1, 3.3, 2.3),
    klDivergence: Float64Array.of(0.1, 0.2, 0.3, 0.4),
    isSameTop: Uint8Array.of(1, 1, 1, 0),
  }

  it('takes the paired error over windows', () => {
    // window means of the difference: 0.1 and 0.3; their mean 0.2 with error 0.1
    const { aboveFloat } = recipeFigures(scores, 2)
    expect(aboveFloat.value).toBeCloseTo(Math.exp(0.2) - 1, 12)
    expect(aboveFloat.error).toBeCloseTo(Math.exp(0.2) * 0.1, 12)
  })

  it('is zero with no error for a recipe that changes nothing', () => {
    const { aboveFloat } = recipeFigures({ ...scores, recipeNll: scores.floatNll }, 2)
    expect(aboveFloat).toEqual({ value: 0, error: 0 })
  })

  it('sums up divergence and agreement', () => {
    const { klDivergence, sameTopToken, sameTopTokenError } = recipeFigures(scores, 2)
    expect(klDivergence.mean).toBeCloseTo(0.25, 12)
    expect(klDivergence.median).toBeCloseTo(0.25, 12)
    expect(klDivergence.p999).toBeCloseTo(0.3 + 0.1 * (0.999 * 3 - 2), 12)
    expect(klDivergence.max).toBe(0.4)
    expect(sameTopToken).toBe(0.75)
    // sqrt(f (1 - f) / (n - 1))
    expect(sameTopTokenError).toBeCloseTo(Math.sqrt((0.75 * 0.25) / 3), 12)
  })

  it('does not depend on how the tokens were handed over', () => {
    const part = (start: number, end: number): TokenScores => ({
      floatNll: scores.floatNll.slice(start, end),
      recipeNll: scores.recipeNll.slice(start, end),
      klDivergence: scores.klDivergence.slice(start, end),
      isSameTop: scores.isSameTop.slice(start, end),
    })
    expect(joinScores([part(0, 1), part(1, 3), part(3, 4)])).toEqual(scores)
  })
})

describe('means and quantiles', () => {
  it('carry the error of llama.cpp: sqrt((mean of squares - square of mean) / (n - 1))', () => {
    expect(meanOf(Float64Array.of(1, 2, 3, 4))).toEqual({ value: 2.5, error: Math.sqrt(1.25 / 3) })
    const { perplexity, perplexityError, nllError } = likelihoodFigures(Float64Array.of(1, 2, 3, 4))
    expect(perplexity).toBe(Math.exp(2.5))
    expect(perplexityError).toBe(perplexity * nllError)
  })

  it('interpolate between neighbours', () => {
    const sorted = Float64Array.of(0, 10, 20, 30, 40)
    expect(quantile(sorted, 0.5)).toBe(20)
    expect(quantile(sorted, 0.9)).toBe(36)
    expect(quantile(sorted, 1)).toBe(40)
  })
})

describe('layerFigures', () => {
  it('gives the worked example of formats/evaluation.md section 4', () => {
    const weight = [1, -2, 3, 0.5]
    const approximation = [1.1, -1.9, 2.8, 0.4]
    const total = (pick: (w: number, v: number) => number): number => weight.reduce((sum, w, i) => sum + pick(w, approximation[i] ?? 0), 0)
    const sums = {
      count: 4,
      squaredError: total((w, v) => (w - v) ** 2),
      squaredWeight: total((w) => w * w),
      squaredApproximation: total((_, v) => v * v),
    }
    const figures = layerFigures(sums, { error: 0.018125, signal: 0.018125 / 0.00433483 })
    expect(figures.mse).toBeCloseTo(0.0175, 10)
    expect(figures.sqnrDb).toBeCloseTo(23.08717, 5)
    expect(figures.cosine).toBeCloseTo(0.9988087, 7)
    expect(figures.relativeError).toBeCloseTo(0.0700877, 7)
    expect(figures.outputError).toBeCloseTo(0.00433483, 8)
  })

  it('stays finite for exact, zero and lost weights', () => {
    const zeros = { count: 4, squaredError: 0, squaredWeight: 0, squaredApproximation: 0 }
    expect(layerFigures(zeros, { error: 0, signal: 0 })).toEqual({
      mse: 0,
      relativeError: 0,
      sqnrDb: exactSqnrDb,
      cosine: 1,
      outputError: 0,
    })
    const lost = { ...zeros, squaredError: 4, squaredWeight: 4 }
    expect(layerFigures(lost, { error: 2, signal: 2 })).toMatchObject({ relativeError: 1, sqnrDb: 0, cosine: 0, outputError: 1 })
    expect(layerFigures(zeros, { error: -1e-12, signal: 1 }).outputError).toBe(0)
  })
})
