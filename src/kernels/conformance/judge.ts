import type { Kernels } from '../contract/kernels.ts'
import { acceleratedTolerances } from '../self-check.ts'
import { firstDifference, type Tolerance, toleranceText } from '../tolerance.ts'
import type { ConformanceCase } from './case.ts'
import { conformanceCases } from './cases.ts'

/** How a backend did on one operation. */
export interface Verdict {
  readonly operation: string
  readonly tolerance: string
  readonly cases: number
  /** One line for each case that differs from the reference. */
  readonly failures: readonly string[]
}

/** Cases of one operation after the other, in the order of the contract. */
function casesByOperation(): ReadonlyMap<string, readonly ConformanceCase[]> {
  const byOperation = new Map<string, ConformanceCase[]>()
  for (const item of conformanceCases()) {
    const cases = byOperation.get(item.operation) ?? []
    cases.push(item)
    byOperation.set(item.operation, cases)
  }
  return byOperation
}

/** Runs every case on both and compares; a case that throws is a failure. */
export async function judge(reference: Kernels, candidate: Kernels): Promise<readonly Verdict[]> {
  const verdicts: Verdict[] = []
  for (const [operation, cases] of casesByOperation()) verdicts.push(await judgeOperation(cases, { operation, reference, candidate }))
  return verdicts
}

/** A verdict, or why the operation is not on the graphics card. */
export interface CardVerdict {
  readonly operation: string
  readonly verdict: Verdict | string
  /** Cases that the card leaves to another backend; not among those of the verdict. */
  readonly elsewhere: number
}

/**
 * The same for a graphics card: every operation that `kernels` say they run there, by the cases that do run there.
 * Tolerances are those of the self-check where it names one.
 */
export async function judgeCard(reference: Kernels, kernels: Kernels): Promise<readonly CardVerdict[]> {
  const verdicts: CardVerdict[] = []
  const { placement } = kernels
  for (const [operation, all] of casesByOperation()) {
    const support = placement?.support.find((row) => row.operation === operation)?.support ?? 'There is no card.'
    if (support !== true) {
      verdicts.push({ operation, verdict: support, elsewhere: 0 })
      continue
    }
    const tolerance = (acceleratedTolerances as Readonly<Record<string, Tolerance | undefined>>)[operation]
    const cases: ConformanceCase[] = []
    for (const item of all) {
      placement?.startRecord()
      const values = await item.run(kernels)
      if (kernels.backend.includes(operation))
        cases.push({
          ...item,
          tolerance: tolerance ?? item.tolerance,
          run: (on) => (on === kernels ? Promise.resolve(values) : item.run(on)),
        })
    }
    const verdict = await judgeOperation(cases, { operation, reference, candidate: kernels })
    verdicts.push({ operation, verdict, elsewhere: all.length - cases.length })
  }
  return verdicts
}

async function judgeOperation(
  cases: readonly ConformanceCase[],
  { operation, reference, candidate }: { readonly operation: string; readonly reference: Kernels; readonly candidate: Kernels },
): Promise<Verdict> {
  const failures: string[] = []
  for (const item of cases) {
    const difference = await differenceOf(item, reference, candidate)
    if (difference !== null) failures.push(`${item.name}: ${difference}`)
  }
  const tolerances = new Set(cases.map(({ tolerance }) => toleranceText(tolerance)))
  return { operation, tolerance: [...tolerances].join(', '), cases: cases.length, failures }
}

async function differenceOf(item: ConformanceCase, reference: Kernels, candidate: Kernels): Promise<string | null> {
  const expected = await item.run(reference)
  try {
    return firstDifference(expected, await item.run(candidate), item.tolerance)
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
