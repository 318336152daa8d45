import type { CardVerdict, Verdict } from './judge.ts'

export interface SupportColumn {
  readonly backend: string
  readonly verdicts: readonly CardVerdict[]
}

/** Verdicts of a backend that has every operation, as a column. */
export function columnOf(backend: string, verdicts: readonly Verdict[]): SupportColumn {
  return { backend, verdicts: verdicts.map((verdict) => ({ operation: verdict.operation, verdict, elsewhere: 0 })) }
}

/** What each backend can do and how exactly, against the reference, in Markdown. */
export function supportTable(columns: readonly SupportColumn[]): string {
  const operations = columns[0]?.verdicts.map(({ operation }) => operation) ?? []
  const rows = operations.map((operation) => {
    const cells = columns.map(({ verdicts }) => cellOf(verdicts.find((row) => row.operation === operation)))
    return `| ${operation} | the specification | ${cells.join(' | ')} |`
  })
  const heads = columns.map(({ backend }) => backend)
  return [`| operation | reference | ${heads.join(' | ')} |`, `|---|---|${heads.map(() => '---|').join('')}`, ...rows].join('\n')
}

function cellOf(row: CardVerdict | undefined): string {
  if (row === undefined) return 'not judged'
  const { verdict, elsewhere } = row
  if (typeof verdict === 'string') return `no: ${verdict}`
  const { tolerance, cases, failures } = verdict
  if (failures.length > 0) return `no: ${failures.length} of ${cases} cases differ`
  return `yes: ${tolerance}, ${cases} cases${elsewhere === 0 ? '' : `; ${elsewhere} left to WASM`}`
}
