import type { Estimate, FloatResult } from '../evaluation/result.ts'
import type { RecipePlan } from '../pipeline/plan.ts'
import type { QuantizedReport, RecipeReport, RunReport } from '../pipeline/report.ts'
import type { PinName, RecipeEntry, RecipesState } from './recipes-store.ts'

/** A recipe of the shelf that has results. */
export interface Result extends RecipeEntry {
  readonly report: RecipeReport
}

/** A recipe of the shelf whose tensors are stored, measured or not. */
export interface Quantized extends RecipeEntry {
  readonly report: QuantizedReport
}

/** Results of the recipes on the shelf, in shelf order; an edited recipe has none until it has run, nor has any of a run that measured nothing. */
export function resultsOf(entries: readonly RecipeEntry[], report: RunReport | null): readonly Result[] {
  return report === null || report.evaluation === null ? [] : joined(entries, report.recipes)
}

/** Recipes on the shelf that can be exported, in shelf order. */
export function quantizedOf(entries: readonly RecipeEntry[], report: RunReport | null): readonly Quantized[] {
  return report === null ? [] : joined<QuantizedReport>(entries, report.recipes)
}

function joined<R extends { readonly id: string }>(
  entries: readonly RecipeEntry[],
  reports: readonly R[],
): (RecipeEntry & { readonly report: R })[] {
  const byId = new Map(reports.map((recipe) => [recipe.id, recipe]))
  return entries.flatMap((entry) => {
    const found = byId.get(entry.recipe.id)
    return found === undefined ? [] : [{ ...entry, report: found }]
  })
}

export const planOf = (plans: readonly RecipePlan[] | undefined, id: string): RecipePlan | null =>
  plans?.find((plan) => plan.recipeId === id) ?? null

/**
 * Perplexity against the baseline, minus 1. Against float the error is the paired one of the report; against another
 * recipe the two paired errors are added in squares, which overstates it a little (their windows are the same).
 */
export function aboveBaseline(result: RecipeReport, baseline: RecipeReport | null): Estimate {
  if (baseline === null) return result.aboveFloat
  if (result.id === baseline.id) return { value: 0, error: 0 }
  const value = result.perplexity / baseline.perplexity - 1
  const scale = 1 / (1 + baseline.aboveFloat.value)
  return { value, error: scale * Math.hypot(result.aboveFloat.error, (1 + value) * baseline.aboveFloat.error) }
}

/** |change| of at most two errors reads "same within error". */
export const isWithinError = (change: Estimate): boolean => Math.abs(change.value) <= 2 * change.error

export type RecommendationRule = 'under-budget' | 'within-1-percent' | 'closest'

export interface Recommendation {
  readonly rule: RecommendationRule
  readonly result: Result
  /** Recipes that cannot be told apart from it by the rule's measure, and are larger. */
  readonly ties: readonly Result[]
}

/** Two KL divergences within two of their combined errors. */
function isKlTie(one: RecipeReport, other: RecipeReport): boolean {
  const error = Math.hypot(one.klDivergence.meanError, other.klDivergence.meanError)
  return Math.abs(one.klDivergence.mean - other.klDivergence.mean) <= 2 * error
}

/**
 * The rule behind Compare's headline: with a budget the lowest KL divergence at or under it, otherwise the smallest
 * recipe within 1 % of float (the closest one when none is). A tie within error goes to the smaller file. A recipe that no format
 * holds is recommended only where none has a file.
 */
export function recommend(measured: readonly Result[], budgetBytes: number | null): Recommendation | null {
  const withFile = measured.filter(({ report }) => report.bytesOf !== 'stored')
  const results = withFile.length === 0 ? measured : withFile
  const bySize = (one: Result, other: Result): number =>
    one.report.bytes - other.report.bytes || one.report.klDivergence.mean - other.report.klDivergence.mean
  const closest = (candidates: readonly Result[], rule: RecommendationRule): Recommendation | null => {
    const lowest = candidates.reduce<Result | null>(
      (best, next) => (best === null || next.report.klDivergence.mean < best.report.klDivergence.mean ? next : best),
      null,
    )
    if (lowest === null) return null
    const tied = candidates.filter((other) => isKlTie(lowest.report, other.report)).toSorted(bySize)
    const result = tied[0] ?? lowest
    return { rule, result, ties: tied.filter((other) => other !== result) }
  }
  if (budgetBytes !== null) {
    const under = results.filter((result) => result.report.bytes <= budgetBytes)
    if (under.length > 0) return closest(under, 'under-budget')
    return closest(results, 'closest')
  }
  const near = results.filter((result) => result.report.aboveFloat.value <= 0.01).toSorted(bySize)
  const smallest = near[0]
  if (smallest === undefined) return closest(results, 'closest')
  return { rule: 'within-1-percent', result: smallest, ties: near.slice(1).filter((other) => isKlTie(smallest.report, other.report)) }
}

/** Pins as shown: A defaults to the recommendation, B to its nearest rival in size. */
export function effectivePins(
  pins: RecipesState['pins'],
  results: readonly Result[],
  recommendation: Recommendation | null,
): Readonly<Record<PinName, Result | null>> {
  const find = (id: string | null): Result | null => results.find((result) => result.recipe.id === id) ?? null
  const recommended = recommendation !== null && recommendation.result.recipe.id !== pins.b ? recommendation.result : null
  const a = find(pins.a) ?? recommended ?? results.find((result) => result.recipe.id !== pins.b) ?? null
  const rivals = results
    .filter((result) => result !== a)
    .toSorted((one, other) => {
      const distance = (result: Result): number => Math.abs(result.report.bytes - (a?.report.bytes ?? 0))
      return distance(one) - distance(other) || one.report.klDivergence.mean - other.report.klDivergence.mean
    })
  const chosen = find(pins.b)
  return { a, b: chosen !== null && chosen !== a ? chosen : (rivals[0] ?? null) }
}

/** Recipes on the frontier of size and KL divergence, smallest first: nothing is better on both counts. */
export function frontier(results: readonly Result[], measure: (report: RecipeReport) => number): readonly Result[] {
  const sorted = results.toSorted((one, other) => one.report.bytes - other.report.bytes || measure(one.report) - measure(other.report))
  let best = Number.POSITIVE_INFINITY
  return sorted.filter((result) => {
    if (measure(result.report) >= best) return false
    best = measure(result.report)
    return true
  })
}

/** The baseline's report, or `null` for float (also when the chosen recipe has no results). */
export const baselineOf = (results: readonly Result[], baseline: string | null): RecipeReport | null =>
  results.find((result) => result.recipe.id === baseline)?.report ?? null

/** Perplexity of what everything is compared with. */
export const baselinePerplexity = (float: FloatResult, baseline: RecipeReport | null): number => (baseline ?? float).perplexity
