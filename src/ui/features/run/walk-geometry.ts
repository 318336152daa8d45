/** Cells of the walk: opacity is log error between 0.28 and 1, over the range of errors seen in the run. */
const faint = 0.28

export function cellOpacity(error: number, range: readonly [least: number, most: number]): number {
  const [least, most] = range
  if (!(error > 0)) return faint
  if (!(most > least)) return 1
  const place = (Math.log10(error) - Math.log10(least)) / (Math.log10(most) - Math.log10(least))
  return faint + (1 - faint) * Math.min(1, Math.max(0, place))
}

/** Least and greatest positive error. */
export function errorRange(errors: readonly number[]): readonly [number, number] {
  const positive = errors.filter((error) => error > 0)
  return positive.length === 0 ? [1, 1] : [Math.min(...positive), Math.max(...positive)]
}

/** Block numbers worth a label: about 12 of them, evenly, in steps that people count in. */
export function labelledBlocks(blocks: number): readonly number[] {
  const step = [1, 2, 5, 10, 20, 50].find((candidate) => blocks / candidate <= 12) ?? 100
  return Array.from({ length: Math.ceil(blocks / step) }, (_, index) => index * step)
}
