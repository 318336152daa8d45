import type { FloatResult } from '../../../evaluation/result.ts'
import type { MeasuredRun, RecipeReport } from '../../../pipeline/report.ts'
import { aboveBaseline, isWithinError, type Result } from '../../../state/results.ts'
import type { CsvCell } from '../../charts/csv.ts'
import * as format from '../../format/numbers.ts'

/** What a cell may need besides the recipe's own report. */
export interface ColumnFacts {
  readonly report: MeasuredRun
  readonly baseline: RecipeReport | null
  readonly baselineName: string
  /** Measured while the same prompt was continued; by recipe id, `FLOAT` for float. */
  readonly speeds: Readonly<Record<string, number>>
  /** Name of a file format by its id. */
  readonly formatTitle: (id: string) => string
}

export interface Cell {
  readonly text: string
  /** In the least ink, behind the text: the uncertainty. */
  readonly error?: string
  /** Exact figure, shown on hover. */
  readonly title?: string
}

export interface Column {
  readonly key: string
  readonly title: string
  /** For the menu of columns and for CSV, where the head alone is too short. */
  readonly longTitle: string
  readonly isOptional: boolean
  /** What it sorts by; `null` sorts last. */
  sortBy(result: Result, facts: ColumnFacts): number | string | null
  cell(result: Result, facts: ColumnFacts): Cell
  /** The first row. */
  float(float: FloatResult, facts: ColumnFacts): Cell
  /** Columns of the CSV, in full precision; the value and, where there is one, its error. */
  csv(result: Result, facts: ColumnFacts): readonly (readonly [name: string, value: CsvCell])[]
}

const none: Cell = { text: '–' }
const bitsOfSource = ({ report }: ColumnFacts): number => (8 * report.model.sourceBytes) / report.model.parameters

const worstLayer = (report: RecipeReport): RecipeReport['layers'][number] | null =>
  report.layers.reduce<RecipeReport['layers'][number] | null>(
    (worst, layer) => (worst === null || (layer.outputError ?? 0) > (worst.outputError ?? 0) ? layer : worst),
    null,
  )

/** SQNR of all quantized weights together would need their energies; the mean over layers is what others print. */
export const meanSqnr = (report: Pick<RecipeReport, 'layers'>): number | null => {
  const finite = report.layers.map((layer) => layer.sqnrDb).filter((value) => Number.isFinite(value))
  return finite.length === 0 ? null : finite.reduce((sum, value) => sum + value, 0) / finite.length
}

/** Stored kinds with how many tensors have each: `Q4_0` or `Q4_0 ×42, F16 ×2`. */
export function gridsOf(report: Pick<RecipeReport, 'layers'>): string {
  const counts = new Map<string, number>()
  for (const { grid } of report.layers) counts.set(grid, (counts.get(grid) ?? 0) + 1)
  const kinds = [...counts].toSorted((one, other) => other[1] - one[1])
  return kinds.length === 1 ? (kinds[0]?.[0] ?? '') : kinds.map(([grid, count]) => `${grid} ×${count}`).join(', ')
}

/** The columns of the results table after the recipe itself, in their order. */
export const columns: readonly Column[] = [
  {
    key: 'bits',
    title: 'Bit/weight',
    longTitle: 'Bits a weight',
    isOptional: false,
    sortBy: ({ report }) => report.bitsPerWeight,
    cell: ({ report }) => ({ text: format.bits(report.bitsPerWeight), title: `blocks only: ${format.bits(report.blockBitsPerWeight)}` }),
    float: (_, facts) => ({ text: format.bits(bitsOfSource(facts)) }),
    csv: ({ report }) => [
      ['bits per weight', report.bitsPerWeight],
      ['bits per weight of blocks', report.blockBitsPerWeight],
    ],
  },
  {
    key: 'size',
    title: 'MB',
    longTitle: 'Size',
    isOptional: false,
    sortBy: ({ report }) => report.bytes,
    cell: ({ report: { bytes, bytesOf } }, { formatTitle }) => ({
      text: format.megabytes(bytes),
      title: `${format.exactBytes(bytes)} as ${formatTitle(bytesOf)}`,
    }),
    float: (_, { report }) => ({ text: format.megabytes(report.model.sourceBytes), title: format.exactBytes(report.model.sourceBytes) }),
    csv: ({ report }) => [
      ['bytes', report.bytes],
      ['format', report.bytesOf],
    ],
  },
  {
    key: 'share',
    title: 'Of source',
    longTitle: 'Share of the source',
    isOptional: false,
    sortBy: ({ report }) => report.bytes,
    cell: ({ report }, facts) => ({ text: format.percent(report.bytes / facts.report.model.sourceBytes) }),
    float: () => ({ text: '100 %' }),
    csv: ({ report }, facts) => [['share of source', report.bytes / facts.report.model.sourceBytes]],
  },
  {
    key: 'perplexity',
    title: 'Perplexity',
    longTitle: 'Perplexity',
    isOptional: false,
    sortBy: ({ report }) => report.perplexity,
    cell: ({ report }) => ({ text: format.perplexity(report.perplexity), error: format.plusMinus(report.perplexityError) }),
    float: (float) => ({ text: format.perplexity(float.perplexity), error: format.plusMinus(float.perplexityError) }),
    csv: ({ report }) => [
      ['perplexity', report.perplexity],
      ['perplexity error', report.perplexityError],
      ['nats per token', report.nll],
    ],
  },
  {
    key: 'above',
    title: 'Above float',
    longTitle: 'Perplexity above the baseline',
    isOptional: false,
    sortBy: ({ report }, { baseline }) => aboveBaseline(report, baseline).value,
    cell: ({ report }, { baseline, baselineName }) => {
      if (report.id === baseline?.id) return { text: 'baseline' }
      const above = aboveBaseline(report, baseline)
      const exact = `${format.changePercent(above.value)} ${format.changeError(above.error)} against ${baselineName}`
      return isWithinError(above)
        ? { text: 'same within error', title: exact }
        : { text: format.changePercent(above.value), error: format.changeError(above.error), title: exact }
    },
    float: (float, { baseline }) =>
      baseline === null ? { text: 'baseline' } : { text: format.changePercent(float.perplexity / baseline.perplexity - 1) },
    csv: ({ report }, { baseline, baselineName }) => {
      const above = aboveBaseline(report, baseline)
      return [
        [`above ${baselineName}`, above.value],
        [`above ${baselineName} error`, above.error],
      ]
    },
  },
  {
    key: 'kl',
    title: 'KL mean',
    longTitle: 'KL divergence, mean',
    isOptional: false,
    sortBy: ({ report }) => report.klDivergence.mean,
    cell: ({ report: { klDivergence } }) => ({
      text: format.divergence(klDivergence.mean),
      title: `${format.divergence(klDivergence.mean)} ${format.plusMinus(klDivergence.meanError)} nats`,
    }),
    float: () => ({ text: '0' }),
    csv: ({ report: { klDivergence } }) => [
      ['KL mean', klDivergence.mean],
      ['KL mean error', klDivergence.meanError],
    ],
  },
  {
    key: 'p999',
    title: 'KL 99.9 %',
    longTitle: 'KL divergence, 99.9 % of tokens are below',
    isOptional: false,
    sortBy: ({ report }) => report.klDivergence.p999,
    cell: ({ report }) => ({ text: format.divergence(report.klDivergence.p999) }),
    float: () => ({ text: '0' }),
    csv: ({ report }) => [['KL 99.9 %', report.klDivergence.p999]],
  },
  {
    key: 'same-top',
    title: 'Same top',
    longTitle: 'Same top token',
    isOptional: false,
    sortBy: ({ report }) => report.sameTopToken,
    cell: ({ report: { sameTopToken, sameTopTokenError } }) => ({
      text: format.percent(sameTopToken),
      title: `± ${format.significant(sameTopTokenError * 100, 2)} points`,
    }),
    float: () => ({ text: '100 %' }),
    csv: ({ report }) => [
      ['same top token', report.sameTopToken],
      ['same top token error', report.sameTopTokenError],
    ],
  },
  {
    key: 'speed',
    title: 'Tokens/s',
    longTitle: 'Tokens a second, here, while the prompt was continued',
    isOptional: false,
    sortBy: ({ recipe }, { speeds }) => speeds[recipe.id] ?? null,
    cell: ({ recipe }, { speeds }) => speedCell(speeds[recipe.id]),
    float: (_, { speeds }) => speedCell(speeds[':float']),
    csv: ({ recipe }, { speeds }) => [['tokens per second here', speeds[recipe.id] ?? null]],
  },
  {
    key: 'seconds',
    title: 'Made in',
    longTitle: 'Time to quantize and measure',
    isOptional: false,
    sortBy: ({ report }) => report.seconds,
    cell: ({ report }) => ({ text: format.seconds(report.seconds) }),
    float: () => none,
    csv: ({ report }) => [['seconds', report.seconds]],
  },
  {
    key: 'kl-median',
    title: 'KL median',
    longTitle: 'KL divergence, median',
    isOptional: true,
    sortBy: ({ report }) => report.klDivergence.median,
    cell: ({ report }) => ({ text: format.divergence(report.klDivergence.median) }),
    float: () => ({ text: '0' }),
    csv: ({ report }) => [['KL median', report.klDivergence.median]],
  },
  {
    key: 'kl-max',
    title: 'KL max',
    longTitle: 'KL divergence, largest of all tokens',
    isOptional: true,
    sortBy: ({ report }) => report.klDivergence.max,
    cell: ({ report }) => ({ text: format.divergence(report.klDivergence.max) }),
    float: () => ({ text: '0' }),
    csv: ({ report }) => [['KL max', report.klDivergence.max]],
  },
  {
    key: 'worst',
    title: 'Worst layer',
    longTitle: 'Layer with the largest output error',
    isOptional: true,
    sortBy: ({ report }) => worstLayer(report)?.outputError ?? null,
    cell: ({ report }) => {
      const worst = worstLayer(report)
      return worst === null || worst.outputError === null
        ? none
        : { text: `${format.layerError(worst.outputError)} ${worst.block}.${worst.role}`, title: worst.name }
    },
    float: () => none,
    csv: ({ report }) => [
      ['worst layer', worstLayer(report)?.name ?? null],
      ['worst output error', worstLayer(report)?.outputError ?? null],
    ],
  },
  {
    key: 'sqnr',
    title: 'SQNR',
    longTitle: 'Signal to quantization noise, mean over layers',
    isOptional: true,
    sortBy: ({ report }) => meanSqnr(report),
    cell: ({ report }) => {
      const mean = meanSqnr(report)
      return mean === null ? none : { text: format.decibels(mean) }
    },
    float: () => none,
    csv: ({ report }) => [['SQNR dB', meanSqnr(report)]],
  },
  {
    key: 'grid',
    title: 'Stored as',
    longTitle: 'Grids as they were really used',
    isOptional: true,
    sortBy: ({ report }) => gridsOf(report),
    cell: ({ report }) => ({ text: gridsOf(report) }),
    float: () => none,
    csv: ({ report }) => [['stored as', gridsOf(report)]],
  },
  {
    key: 'backend',
    title: 'Backend',
    longTitle: 'What computed it',
    isOptional: true,
    sortBy: ({ report }) => report.backend,
    cell: ({ report }) => ({ text: report.backend }),
    float: () => none,
    csv: ({ report }) => [['backend', report.backend]],
  },
]

function speedCell(perSecond: number | undefined): Cell {
  return perSecond === undefined ? none : { text: format.speed(perSecond) }
}

export interface Sort {
  readonly column: string
  readonly isDescending: boolean
}

/** Results in the order of the table. Equal values keep the order of the shelf; what is not measured comes last. */
export function sortResults(results: readonly Result[], { column, isDescending }: Sort, facts: ColumnFacts): readonly Result[] {
  const key = columns.find((candidate) => candidate.key === column)
  const valueOf = (result: Result): number | string | null => (key === undefined ? result.recipe.id : key.sortBy(result, facts))
  return results.toSorted((one, other) => {
    const a = valueOf(one)
    const b = valueOf(other)
    if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1
    const order = typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b), 'en')
    return isDescending ? -order : order
  })
}

/** All columns of all recipes, float first, in full precision. */
export function resultsCsv(
  results: readonly Result[],
  facts: ColumnFacts,
): { readonly columns: readonly string[]; readonly rows: readonly (readonly CsvCell[])[] } {
  const { float, tokens } = facts.report.evaluation
  const rows = results.map((result) => [['recipe', result.recipe.id] as const, ...columns.flatMap((column) => column.csv(result, facts))])
  const names = rows[0]?.map(([name]) => name) ?? []
  const floatRow: Readonly<Record<string, CsvCell>> = {
    recipe: 'float',
    'bits per weight': bitsOfSource(facts),
    bytes: facts.report.model.sourceBytes,
    'share of source': 1,
    perplexity: float.perplexity,
    'perplexity error': float.perplexityError,
    'nats per token': float.nll,
    'same top token': 1,
    'KL mean': 0,
  }
  return {
    columns: [...names, 'tokens', 'protocol', 'context length', 'inputs'],
    rows: [
      [...names.map((name) => floatRow[name] ?? null), ...protocolCells(facts, tokens)],
      ...rows.map((row) => [...row.map(([, value]) => value), ...protocolCells(facts, tokens)]),
    ],
  }
}

const protocolCells = ({ report }: ColumnFacts, tokens: number): readonly CsvCell[] => [
  tokens,
  report.evaluation.protocol,
  report.evaluation.contextLength,
  report.evaluation.inputs,
]
