import type { Estimate } from '../../../evaluation/result.ts'
import type { RecipeReport } from '../../../pipeline/report.ts'
import { aboveBaseline, isWithinError } from '../../../state/results.ts'
import * as format from '../../format/numbers.ts'

export interface PairedRow {
  readonly label: string
  readonly a: string
  readonly b: string
  readonly difference: string
  /** The difference is at most two of its errors. */
  readonly isSame: boolean
}

/**
 * a − b with its error. The report holds each recipe's error against float, not that of the difference, so the two are
 * added in squares: a little too large, because both ran over the same windows.
 */
export const differenceOf = (a: Estimate, b: Estimate): Estimate => ({ value: a.value - b.value, error: Math.hypot(a.error, b.error) })

const signed = (value: number, text: string): string => `${value > 0 ? '+' : ''}${text}`
const relative = (a: number, b: number): string => {
  if (a === b) return '0'
  if (b === 0) return '–'
  const share = (a / b - 1) * 100
  return `${signed(share, format.significant(share, Math.abs(share) >= 100 ? 3 : 2))} %`
}

const klOf = ({ klDivergence }: RecipeReport): Estimate => ({ value: klDivergence.mean, error: klDivergence.meanError })
const sameTopOf = (report: RecipeReport): Estimate => ({ value: report.sameTopToken, error: report.sameTopTokenError })

/** Difference of two changes against the baseline. */
export function aboveDifference(a: RecipeReport, b: RecipeReport, baseline: RecipeReport | null): Estimate {
  return differenceOf(aboveBaseline(a, baseline), aboveBaseline(b, baseline))
}

/** The Pinned card: A, B and A − B, measure by measure. `baselineName` is float or a recipe's id. */
export function pairedRows(
  a: RecipeReport,
  b: RecipeReport,
  { baseline, baselineName }: { baseline: RecipeReport | null; baselineName: string },
): readonly PairedRow[] {
  const above = aboveDifference(a, b, baseline)
  const kl = differenceOf(klOf(a), klOf(b))
  const top = differenceOf(sameTopOf(a), sameTopOf(b))
  const row = (label: string, texts: readonly [a: string, b: string, difference: string], isSame = false): PairedRow => ({
    label,
    a: texts[0],
    b: texts[1],
    difference: isSame ? 'same within error' : texts[2],
    isSame,
  })
  const size = a.bytes - b.bytes
  const change = (report: RecipeReport): string => format.changePercent(aboveBaseline(report, baseline).value)
  return [
    row('Size, MB', [format.megabytes(a.bytes), format.megabytes(b.bytes), size === 0 ? '0' : signed(size, format.megabytes(size))]),
    row(
      'Perplexity',
      [
        format.perplexity(a.perplexity),
        format.perplexity(b.perplexity),
        signed(a.perplexity - b.perplexity, format.perplexity(a.perplexity - b.perplexity)),
      ],
      isWithinError(above),
    ),
    row(`Above ${baselineName}`, [change(a), change(b), format.points(above.value)], isWithinError(above)),
    row(
      'KL, mean',
      [format.divergence(a.klDivergence.mean), format.divergence(b.klDivergence.mean), relative(a.klDivergence.mean, b.klDivergence.mean)],
      isWithinError(kl),
    ),
    row('KL, 99.9 %', [
      format.divergence(a.klDivergence.p999),
      format.divergence(b.klDivergence.p999),
      relative(a.klDivergence.p999, b.klDivergence.p999),
    ]),
    row('Same top token', [format.percent(a.sameTopToken), format.percent(b.sameTopToken), format.points(top.value)], isWithinError(top)),
  ]
}

/** What the pair comes to, in one or two sentences. */
export function pairedSentence(a: RecipeReport, b: RecipeReport): string {
  const size = a.bytes - b.bytes
  const sizes = size === 0 ? 'Same bytes.' : `A is ${format.bytes(Math.abs(size))} ${size < 0 ? 'smaller' : 'larger'}.`
  const kl = differenceOf(klOf(a), klOf(b))
  if (isWithinError(kl)) return `${sizes} Their divergence from float is the same within error.`
  const higher = Math.max(a.klDivergence.mean, b.klDivergence.mean)
  const lower = Math.min(a.klDivergence.mean, b.klDivergence.mean)
  const share = format.significant((1 - lower / higher) * 100, 2)
  const [better, worse] = kl.value < 0 ? ['A', 'B'] : ['B', 'A']
  return `${sizes} ${better} removes ${share} % of ${worse}’s divergence from float.`
}
