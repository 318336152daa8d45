/** A point of a trade-off; less is better on both axes. */
export interface TradeOff {
  readonly id: string
  readonly size: number
  readonly loss: number
}

/** Whether `a` is at least as good as `b` on both axes and better on one. */
export function dominates(a: TradeOff, b: TradeOff): boolean {
  return a.size <= b.size && a.loss <= b.loss && (a.size < b.size || a.loss < b.loss)
}

/** Points that nothing dominates, by rising size. Of exact equals the first is kept. */
export function frontier<Point extends TradeOff>(points: readonly Point[]): readonly Point[] {
  const ordered = points
    .filter((point) => Number.isFinite(point.size) && Number.isFinite(point.loss))
    .toSorted((a, b) => a.size - b.size || a.loss - b.loss)
  const kept: Point[] = []
  for (const point of ordered) {
    const last = kept.at(-1)
    if (last === undefined || point.loss < last.loss) kept.push(point)
  }
  return kept
}
