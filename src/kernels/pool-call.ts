import type { Cut, OperationName, Targets } from './executor.ts'
import { errorOf, faultOf } from './messages.ts'

/** A piece is tried again once when its thread died under it. */
const triesPerPiece = 2
/** Pieces that go with one message at most: what a message costs is spread over them, an abort still heard soon. */
export const largestBatch = 8

export interface CallWork {
  readonly name: OperationName
  /** Pieces. */
  readonly count: number
  readonly argumentsOf: (index: number, cut: Cut) => readonly unknown[]
  /** Shared memory for a piece's result, which is then not in what is taken; `null`: none. */
  readonly targetsOf: (index: number) => Targets | null
  readonly take: (result: unknown, index: number) => void
}

/** One call of an operation in a pool: which of its pieces are to be handed out, and which to be answered. */
export class PoolCall {
  readonly work: CallWork
  readonly finished: Promise<void>
  #resolve: () => void = () => undefined
  #reject: (error: Error) => void = () => undefined
  #next = 0
  /** Pieces that wait for another thread, handed out one by one: one of them may be what killed the first. */
  readonly #lost: number[] = []
  /** By piece, how many threads died under it. */
  readonly #deaths = new Map<number, number>()
  #unanswered: number
  #isOver = false

  constructor(work: CallWork) {
    this.work = work
    this.#unanswered = work.count
    this.finished = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    if (work.count === 0) this.#settle()
  }

  /** Whether pieces are left to hand out. */
  get isWaiting(): boolean {
    return !this.#isOver && (this.#lost.length > 0 || this.#next < this.work.count)
  }

  /** How many pieces one of `threads` threads may get next: fewer towards the end, so that all threads end together. */
  batchSize(threads: number): number {
    if (this.#lost.length > 0) return 1
    const share = Math.floor((this.work.count - this.#next + threads) / (2 * threads))
    return Math.min(Math.max(share, 1), largestBatch)
  }

  /** The next piece, for as long as the call is waiting. */
  nextPiece(): number {
    return this.#lost.shift() ?? this.#next++
  }

  /** Nothing that comes after a fault or an abort is taken. */
  take(batch: readonly number[], results: readonly unknown[]): void {
    for (const [i, result] of results.entries()) {
      if (this.#isOver) return
      try {
        this.work.take(result, batch[i] ?? 0)
      } catch (error) {
        this.fail(errorOf(faultOf(error)))
        return
      }
      if (--this.#unanswered === 0) this.#settle()
    }
  }

  /** `isDead`: the thread died under this batch, not before it came to it. False when a piece has been tried enough. */
  giveBack(batch: readonly number[], isDead: boolean): boolean {
    for (const index of batch) {
      const deaths = (this.#deaths.get(index) ?? 0) + (isDead ? 1 : 0)
      if (deaths >= triesPerPiece) return false
      this.#deaths.set(index, deaths)
      this.#lost.push(index)
    }
    return true
  }

  fail(error: Error): void {
    this.#isOver = true
    this.#reject(error)
  }

  #settle(): void {
    this.#isOver = true
    this.#resolve()
  }
}
