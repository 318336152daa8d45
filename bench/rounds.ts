/** How long one of several things took, round by round. */
export interface Timing {
  /** Seconds of a call in each round, by the clock. */
  readonly clock: readonly number[]
  /** The same by processor time of all threads of this process: on a busy machine the clock also counts what other programs do. */
  readonly processor: readonly number[]
}

export interface RoundOptions {
  readonly rounds: number
  /** Seconds of calls to each before the rounds, until its code is compiled to the end. Default 0.05. */
  readonly warmUp?: number
  /** A round calls until so many have passed, so that a call of one millisecond does not only find cold caches. Default 0.004. */
  readonly seconds?: number
}

/** Times each of `runs`, the rounds of one between those of the others. */
export async function inTurn<const Runs extends readonly (() => unknown)[]>(
  runs: Runs,
  { rounds, warmUp = 0.05, seconds = 0.004 }: RoundOptions,
): Promise<{ [Key in keyof Runs]: Timing }> {
  for (const run of runs) await repeat(run, warmUp)
  const timings = runs.map(() => ({ clock: [] as number[], processor: [] as number[] }))
  for (let round = 0; round < rounds; round++) {
    for (const [index, run] of runs.entries()) {
      const { clock, processor } = await repeat(run, seconds)
      timings[index]?.clock.push(clock)
      timings[index]?.processor.push(processor)
    }
  }
  return timings as { [Key in keyof Runs]: Timing }
}

/** Calls until so many seconds of processor time have passed, at least once; seconds of a call. */
async function repeat(run: () => unknown, seconds: number): Promise<{ clock: number; processor: number }> {
  const start = performance.now()
  const before = process.cpuUsage()
  let calls = 0
  let processor = 0
  do {
    await run()
    calls++
    const { user, system } = process.cpuUsage(before)
    processor = (user + system) / 1e6
  } while (processor < seconds)
  return { clock: (performance.now() - start) / 1000 / calls, processor: processor / calls }
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}
