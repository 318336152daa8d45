import type { Kernels } from '../contract/kernels.ts'
import { conformanceCases } from './cases.ts'
import type { ConformanceCase } from './conformance-case.ts'
import { firstDifference, toleranceText } from './tolerance.ts'

/** How a backend did on one operation. */
export interface Verdict {
  readonly operation: string
  readonly tolerance: string
  readonly cases: number
  /** One line for each case that differs from the reference. */
  readonly failures: readonly string[]
}

/** Runs every case on both and compares; a case that throws is a failure. */
export async function judge(reference: Kernels, candidate: Kernels): Promise<readonly Verdict[]> {
  const byOperation = new Map<string, ConformanceCase[]>()
  for (const item of conformanceCases()) {
    const cases = byOperation.get(item.operation) ?? []
    cases.push(item)
    byOperation.set(item.operation, cases)
  }
  const verdicts: Verdict[] = []
  for (const [operation, cases] of byOperation) {
    const failures: string[] = []
    for (const item of cases) {
      const difference = await differenceOf(item, reference, candidate)
      if (difference !== null) failures.push(`${item.name}: ${difference}`)
    }
    const tolerances = new Set(cases.map(({ tolerance }) => toleranceText(tolerance)))
    verdicts.push({ operation, tolerance: [...tolerances].join(', '), cases: cases.length, failures })
  }
  return verdicts
}

async function differenceOf(item: ConformanceCase, reference: Kernels, candidate: Kernels): Promise<string | null> {
  const expected = await item.run(reference)
  try {
    return firstDifference(expected, await item.run(candidate), item.tolerance)
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** The support table: what a backend can do and how exactly, in Markdown. */
export function supportTable(backend: string, verdicts: readonly Verdict[]): string {
  const rows = verdicts.map(
    ({ operation, tolerance, cases, failures }) =>
      `| ${operation} | ${tolerance} | ${cases} | ${failures.length === 0 ? 'yes' : `no (${failures.length} differ)`} |`,
  )
  return [`| operation | ${backend} against the reference | cases | equal |`, '|---|---|---|---|', ...rows].join('\n')
}
