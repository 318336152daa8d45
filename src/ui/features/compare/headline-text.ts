import type { MeasuredRun } from '../../../pipeline/report.ts'
import { isWithinError, type Recommendation, type Result } from '../../../state/results.ts'
import * as format from '../../format/numbers.ts'

export interface HeadlineText {
  readonly title: string
  readonly text: string
}

/** `700 MB`: a budget is a round number more often than not. */
export const budgetText = (bytes: number): string => format.bytes(bytes).replace(/\.0+ /, ' ')

/** `perplexity +1.5 % ± 0.1`, or that it is the same as float. */
export const costText = (result: Result): string =>
  isWithinError(result.report.aboveFloat)
    ? 'perplexity same as float within error'
    : `perplexity ${format.change(result.report.aboveFloat)}`

/** What was measured on, for the headline and under charts. */
export const measuredOn = ({ evaluation }: Pick<MeasuredRun, 'evaluation'>): string =>
  `${format.counted(evaluation.tokens, 'token')} of ${evaluation.textName}${evaluation.inputs === 'llama.cpp' ? ', inputs of ggml blocks in 8 bits as in llama.cpp' : ''}`

/** The finding as a sentence, and what it rests on. `results` are all recipes with figures. */
export function headlineText(
  recommendation: Recommendation,
  results: readonly Result[],
  { report, budgetBytes }: { report: MeasuredRun; budgetBytes: number | null },
): HeadlineText {
  const { result } = recommendation
  return {
    title: titleOf(recommendation, results, budgetBytes),
    text: [
      `${format.bytes(result.report.bytes)}, ${costText(result)}.`,
      tieText(recommendation),
      smallerText(result, results),
      `Measured on ${measuredOn(report)}.`,
    ]
      .filter((sentence) => sentence !== '')
      .join(' '),
  }
}

function titleOf({ rule, result }: Recommendation, results: readonly Result[], budgetBytes: number | null): string {
  const { id } = result.recipe
  if (rule === 'under-budget' && budgetBytes !== null) return `Under ${budgetText(budgetBytes)}, ${id} stays closest to float`
  if (rule === 'within-1-percent') {
    return results.length === 1 ? `${id} stays within 1 % of float` : `${id} is the smallest within 1 % of float`
  }
  if (budgetBytes !== null) return `Nothing fits under ${budgetText(budgetBytes)}; ${id} stays closest to float`
  if (results.length === 1) return `${id} costs ${format.changePercent(result.report.aboveFloat.value)} perplexity`
  return `${id} stays closest to float; nothing is within 1 %`
}

/** A tie goes to the smaller file, and the sentence says so. */
function tieText({ result, ties }: Recommendation): string {
  const nearest = ties[0]
  if (nearest === undefined) return ''
  const larger = nearest.report.bytes - result.report.bytes
  const others = ties.length > 1 ? `${nearest.recipe.id} and ${format.counted(ties.length - 1, 'other')}` : nearest.recipe.id
  return larger > 0
    ? `${others} cannot be told apart from it and ${ties.length > 1 ? 'start' : 'is'} ${format.bytes(larger)} larger.`
    : `${others} cannot be told apart from it.`
}

/** The next step down in size: what it saves and what it costs. */
function smallerText(result: Result, results: readonly Result[]): string {
  const smaller = results
    .filter((other) => other.report.bytes < result.report.bytes)
    .toSorted((one, other) => one.report.aboveFloat.value - other.report.aboveFloat.value)[0]
  if (smaller === undefined) return ''
  const saved = format.bytes(result.report.bytes - smaller.report.bytes)
  return isWithinError(smaller.report.aboveFloat)
    ? `${smaller.recipe.id} saves another ${saved}, ${costText(smaller)}.`
    : `${smaller.recipe.id} saves another ${saved} and costs ${format.changePercent(smaller.report.aboveFloat.value)}.`
}
