/** A stick of a thinned chart: the largest value of its stretch and where it stands. */
export interface Stick {
  readonly index: number
  readonly value: number
}

/** The maximum of each of at most `columns` equal stretches, so that no peak is lost when there are more values than pixels. */
export function maxPerColumn(values: readonly number[], columns: number): readonly Stick[] {
  const count = Math.max(1, Math.min(Math.floor(columns), values.length))
  const sticks: Stick[] = []
  for (let column = 0; column < count; column++) {
    const start = Math.floor((column * values.length) / count)
    const end = Math.floor(((column + 1) * values.length) / count)
    let best = -1
    for (let index = start; index < end; index++) {
      if (best < 0 || (values[index] ?? 0) > (values[best] ?? 0)) best = index
    }
    if (best >= 0) sticks.push({ index: best, value: values[best] ?? 0 })
  }
  return sticks
}
