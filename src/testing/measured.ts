import type { MeasuredRun, RunReport } from '../pipeline/report.ts'

/** A report with figures; throws for one without. */
export function measured(report: RunReport): MeasuredRun {
  if (report.evaluation === null) throw new RangeError('this run measured nothing')
  return report
}
