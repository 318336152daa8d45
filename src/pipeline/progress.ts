import type { RunEvent } from './events.ts'

type Progress = Extract<RunEvent, { kind: 'progress' }>
export type Phase = Progress['phase']

/** Between two progress events: each is drawn, on the processor that quantizes. */
const intervalMs = 500

/**
 * Counts what a run has done and tells it at a bounded rate. Remaining time is extrapolated from multiply-adds done against
 * multiply-adds left, over this session alone: a resumed run does not count the hours before.
 */
export class ProgressMeter {
  readonly #send: (event: RunEvent) => void
  readonly #now: () => number
  readonly #blocks: number
  readonly #memory: () => number | null
  readonly #startedAt: number
  readonly #earlierSeconds: number
  #lastSentAt = Number.NEGATIVE_INFINITY
  #block = 0
  #phase: Phase = 'reading'
  #recipeId: string | null = null
  #workDone = 0
  #workLeft: number
  #blocksHere = 0
  #weights = { count: 0, ms: 0 }
  #forward = { tokens: 0, operations: 0, ms: 0 }

  constructor(options: {
    readonly send: (event: RunEvent) => void
    readonly now: () => number
    readonly blocks: number
    /** Multiply-adds ahead; weights, when nothing goes through the model. */
    readonly work: number
    readonly earlierSeconds: number
    readonly memory: () => number | null
  }) {
    this.#send = options.send
    this.#now = options.now
    this.#blocks = options.blocks
    this.#workLeft = options.work
    this.#earlierSeconds = options.earlierSeconds
    this.#memory = options.memory
    this.#startedAt = options.now()
  }

  get seconds(): number {
    return this.#earlierSeconds + (this.#now() - this.#startedAt) / 1000
  }

  at(block: number, phase: Phase, recipeId: string | null): void {
    const isNew = block !== this.#block || phase !== this.#phase || recipeId !== this.#recipeId
    this.#block = block
    this.#phase = phase
    this.#recipeId = recipeId
    if (isNew) this.tick()
  }

  /** Measures a piece of work and counts it. */
  async quantized<T>(weights: number, run: () => Promise<T>): Promise<T> {
    const from = this.#now()
    const result = await run()
    this.#weights = { count: this.#weights.count + weights, ms: this.#weights.ms + this.#now() - from }
    this.tick()
    return result
  }

  /** Counts weights of a run that only quantizes, where they are the work; several tiles are in work at once. */
  weighed(weights: number): void {
    this.#weights = { count: this.#weights.count + weights, ms: this.#now() - this.#startedAt }
    this.#workDone += weights
    this.#workLeft = Math.max(0, this.#workLeft - weights)
    this.tick()
  }

  /** The same for a forward pass of `operations` multiply-adds. */
  async forwarded<T>(tokens: number, operations: number, run: () => Promise<T>): Promise<T> {
    const from = this.#now()
    const result = await run()
    this.#forward = {
      tokens: this.#forward.tokens + tokens,
      operations: this.#forward.operations + operations,
      ms: this.#forward.ms + this.#now() - from,
    }
    this.#workDone += operations
    this.#workLeft = Math.max(0, this.#workLeft - operations)
    this.tick()
    return result
  }

  blockDone(): void {
    this.#blocksHere++
  }

  /** Sends the state when the last message is old enough. */
  tick(): void {
    const now = this.#now()
    if (now - this.#lastSentAt < intervalMs) return
    this.#lastSentAt = now
    const elapsed = (now - this.#startedAt) / 1000
    const isKnown = this.#blocksHere >= 1 && this.#workDone > 0
    this.#send({
      kind: 'progress',
      block: this.#block,
      blocks: this.#blocks,
      phase: this.#phase,
      recipeId: this.#recipeId,
      elapsedSeconds: this.seconds,
      remainingSeconds: isKnown ? (elapsed * this.#workLeft) / this.#workDone : null,
      rates: {
        weightsPerSecond: rate(this.#weights.count, this.#weights.ms),
        tokensPerSecond: rate(this.#forward.tokens, this.#forward.ms),
        gflops: rate((2 * this.#forward.operations) / 1e9, this.#forward.ms),
      },
      memoryBytes: this.#memory(),
    })
  }
}

function rate(amount: number, ms: number): number | null {
  return ms > 0 ? (1000 * amount) / ms : null
}
