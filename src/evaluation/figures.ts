import type { LogitState } from '../kernels/contract/kernels.ts'
import type { Estimate, FloatResult, KlDivergence, RecipeEvaluation } from './result.ts'

/** Per scored token, in order; nats. Windows lie one after the other and are equally long. */
export interface TokenScores {
  readonly floatNll: Float64Array
  readonly recipeNll: Float64Array
  readonly klDivergence: Float64Array
  /** 1 where both agree on the likeliest token. */
  readonly isSameTop: Uint8Array
}

/** What the finished sums of some tokens say about those that have a target. */
export function scoreTokens(state: LogitState, targets: Int32Array): TokenScores {
  const scored = [...targets.keys()].filter((token) => (targets[token] ?? -1) >= 0)
  const floatLse = (token: number): number => logSumExp(state.floatMax, state.floatSum, token)
  const recipeLse = (token: number): number => logSumExp(state.recipeMax, state.recipeSum, token)
  return {
    floatNll: Float64Array.from(scored, (token) => floatLse(token) - (state.floatTarget[token] ?? 0)),
    recipeNll: Float64Array.from(scored, (token) => recipeLse(token) - (state.recipeTarget[token] ?? 0)),
    // never negative in exact arithmetic; cancellation can leave -1e-16
    klDivergence: Float64Array.from(scored, (token) =>
      Math.max(0, (state.weighted[token] ?? 0) / (state.floatSum[token] ?? 1) - floatLse(token) + recipeLse(token)),
    ),
    isSameTop: Uint8Array.from(scored, (token) => (state.floatArgMax[token] === state.recipeArgMax[token] ? 1 : 0)),
  }
}

function logSumExp(max: Float64Array, sum: Float64Array, token: number): number {
  return (max[token] ?? 0) + Math.log(sum[token] ?? 1)
}

/** Scores of several stretches as one, in the order given. */
export function joinScores(parts: readonly TokenScores[]): TokenScores {
  const join = (pick: (scores: TokenScores) => Float64Array): Float64Array => {
    const joined = new Float64Array(parts.reduce((sum, part) => sum + pick(part).length, 0))
    let at = 0
    for (const part of parts) {
      joined.set(pick(part), at)
      at += pick(part).length
    }
    return joined
  }
  return {
    floatNll: join((scores) => scores.floatNll),
    recipeNll: join((scores) => scores.recipeNll),
    klDivergence: join((scores) => scores.klDivergence),
    isSameTop: Uint8Array.from(parts.flatMap((scores) => [...scores.isSameTop])),
  }
}

/** Mean with its standard error, sqrt(variance / (n - 1)) with the population variance, as llama.cpp reports it. */
export function meanOf(values: Float64Array): Estimate {
  const count = values.length
  if (count === 0) return { value: Number.NaN, error: Number.NaN }
  let sum = 0
  for (const value of values) sum += value
  const mean = sum / count
  let squares = 0
  for (const value of values) squares += (value - mean) ** 2
  return { value: mean, error: count < 2 ? 0 : Math.sqrt(squares / count / (count - 1)) }
}

/** Figures of one model: mean negative log-likelihood and perplexity, whose error follows from it to first order. */
export function likelihoodFigures(nll: Float64Array): FloatResult {
  const { value, error } = meanOf(nll)
  const perplexity = Math.exp(value)
  return { nll: value, nllError: error, perplexity, perplexityError: perplexity * error }
}

/** All figures of a recipe against float. `scoredPerWindow` groups the tokens for the paired error. */
export function recipeFigures(scores: TokenScores, scoredPerWindow: number): RecipeEvaluation {
  const sameTop = meanOf(Float64Array.from(scores.isSameTop))
  return {
    ...likelihoodFigures(scores.recipeNll),
    aboveFloat: aboveFloat(scores, scoredPerWindow),
    klDivergence: divergenceFigures(scores.klDivergence),
    sameTopToken: sameTop.value,
    sameTopTokenError: sameTop.error,
  }
}

/**
 * Perplexity ratio minus one. The error is that of the mean difference over windows, not over tokens: tokens of one window
 * share their context, so treating them as independent would promise too much.
 */
function aboveFloat({ floatNll, recipeNll }: TokenScores, scoredPerWindow: number): Estimate {
  const windows = Math.floor(floatNll.length / scoredPerWindow)
  const differences = new Float64Array(windows)
  for (let token = 0; token < windows * scoredPerWindow; token++) {
    const window = Math.floor(token / scoredPerWindow)
    differences[window] = (differences[window] ?? 0) + ((recipeNll[token] ?? 0) - (floatNll[token] ?? 0)) / scoredPerWindow
  }
  const { value, error } = meanOf(differences)
  return { value: Math.expm1(value), error: Math.exp(value) * error }
}

function divergenceFigures(values: Float64Array): KlDivergence {
  const { value, error } = meanOf(values)
  const sorted = values.slice().sort()
  return { mean: value, meanError: error, median: quantile(sorted, 0.5), p999: quantile(sorted, 0.999), max: sorted.at(-1) ?? Number.NaN }
}

/** Linear interpolation between the neighbours of position share * (n - 1), as llama.cpp does. */
export function quantile(sorted: Float64Array, share: number): number {
  const position = share * (sorted.length - 1)
  const below = Math.floor(position)
  const low = sorted[below] ?? Number.NaN
  const high = sorted[Math.min(below + 1, sorted.length - 1)] ?? Number.NaN
  return low + (high - low) * (position - below)
}
