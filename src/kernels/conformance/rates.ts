import type { Kernels } from '../contract/kernels.ts'
import { conformanceCases } from './cases.ts'

/** How fast backends are at one of the cases that judge them. */
export interface CaseRate {
  readonly operation: string
  readonly name: string
  /** Millions a second of what the case counts as work, in the order of the backends. */
  readonly rates: readonly number[]
}

/** Times every case that is large enough on each backend in turn, by the clock; the best of three, each of `seconds`. */
export async function rateCases(backends: readonly Kernels[], seconds = 0.02): Promise<readonly CaseRate[]> {
  const rates: CaseRate[] = []
  for (const { operation, name, work, run } of conformanceCases()) {
    if (work === undefined) continue
    const best = backends.map(() => 0)
    for (let round = 0; round < 3; round++) {
      for (const [index, kernels] of backends.entries()) {
        const rate = work / (await secondsOf(() => run(kernels), seconds)) / 1e6
        best[index] = Math.max(best[index] ?? 0, rate)
      }
    }
    rates.push({ operation, name, rates: best })
  }
  return rates
}

async function secondsOf(run: () => Promise<unknown>, atLeast: number): Promise<number> {
  const start = performance.now()
  let calls = 0
  let passed = 0
  do {
    await run()
    calls++
    passed = (performance.now() - start) / 1000
  } while (passed < atLeast)
  return passed / calls
}

/** Rates in Markdown, a column for each backend. */
export function rateTable(backends: readonly string[], rates: readonly CaseRate[]): string {
  const rows = rates.map(
    ({ operation, name, rates: figures }) => `| ${operation} | ${name} | ${figures.map((rate) => rate.toFixed(1)).join(' | ')} |`,
  )
  const lines = ['---', '---', ...backends.map(() => '---:')]
  return [`| operation | case | ${backends.map((name) => `${name}, millions/s`).join(' | ')} |`, `|${lines.join('|')}|`, ...rows].join('\n')
}
