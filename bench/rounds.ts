/** Medians of what is timed and, for a ratio of two, the rounds themselves. */
export interface Timing {
  /** Seconds of a call in each round, by the clock. */
  readonly clock: readonly number[]
  /** The same by processor time of all threads of this process: on a busy machine the clock also counts what other programs do. */
  readonly processor: readonly number[]
}

export interface RoundOptions {
  readonly rounds: number
  /** Rounds before those that count. */
  readonly warmUp: number
  /** A round calls until so many seconds have passed, so that a call of one millisecond does not only find cold caches. Default 0.004. */
  readonly seconds?: number
}

/** Times each of `runs`, the rounds of one between those of the others. */
export async function inTurn<const Runs extends readonly (() => unknown)[]>(
  runs: Runs,
  { rounds, warmUp, seconds = 0.004 }: RoundOptions,
): Promise<{ [Key in keyof Runs]: Timing }> {
  const timings = runs.map(() => ({ clock: [] as number[], processor: [] as number[] }))
  for (let round = 0; round < rounds + warmUp; round++) {
    for (const [index, run] of runs.entries()) {
      const start = performance.now()
      const before = process.cpuUsage()
      let calls = 0
      let passed = 0
      for (; passed < seconds; passed = (performance.now() - start) / 1000) {
        await run()
        calls++
      }
      const { user, system } = process.cpuUsage(before)
      if (round < warmUp) continue
      timings[index]?.clock.push(passed / calls)
      timings[index]?.processor.push((user + system) / 1e6 / calls)
    }
  }
  return timings as { [Key in keyof Runs]: Timing }
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}
