import { abortError, StudioError, throwIfAborted } from '../core/errors.ts'
import type { Kernels } from './contract/kernels.ts'
import type { KernelOperations } from './contract/operations.ts'
import type { Cut, KernelExecutor, OperationName } from './executor.ts'
import { buffersOf, errorOf, faultOf, type PieceMessage, type ThreadMessage } from './messages.ts'
import { pieceBytes } from './pieces.ts'
import { isObject, type KernelPort } from './port.ts'
import { SpareBuffers } from './spare-buffers.ts'
import { createSplitKernels } from './split.ts'

export interface PoolOptions {
  /** At least 1. To work in the calling thread use `createInlineKernels`. */
  readonly threads: number
  /** Starts a thread that runs `serveKernels`; also called to replace one that died. */
  readonly spawn: () => KernelPort
}

/** One piece at work and the next one waiting in each thread, so that a thread never waits for its arguments to be copied. */
const piecesPerThread = 2
/** Large inputs of most operations; what is kept for the next copies is bounded by it. */
const inputsPerPiece = 2
/** A piece is tried again once when its thread died under it. */
const triesPerPiece = 2

interface Job {
  readonly id: number
  readonly name: OperationName
  readonly makeArguments: (cut: Cut) => readonly unknown[]
  readonly resolve: (result: unknown) => void
  readonly reject: (error: Error) => void
  tries: number
}

interface Thread {
  readonly port: KernelPort
  /** In the order sent; the thread works on the first. */
  readonly jobs: Job[]
  isReady: boolean
}

/**
 * Kernels over worker threads. Rows are split among them, results do not depend on their number. A thread that dies is
 * replaced and its piece repeated once; a piece that kills two threads rejects with `worker-lost`, and the pool stays usable.
 */
export async function createKernelPool(options: PoolOptions): Promise<Kernels> {
  const pool = new ThreadPool(options)
  const backend = await pool.start()
  const executor: KernelExecutor = {
    backend: `${backend} x${options.threads}`,
    threads: options.threads,
    concurrency: options.threads * piecesPerThread,
    run: <Name extends OperationName>(
      name: Name,
      makeArguments: (cut: Cut) => Parameters<KernelOperations[Name]>,
      signal: AbortSignal | undefined,
    ) => pool.run(name, makeArguments, signal) as Promise<ReturnType<KernelOperations[Name]>>,
    close: () => {
      pool.close()
      return Promise.resolve()
    },
  }
  return createSplitKernels(executor)
}

class ThreadPool {
  readonly #spawn: () => KernelPort
  readonly #threads: Thread[] = []
  readonly #queue: Job[] = []
  readonly #size: number
  /** Copies are handed over with the messages, so that the caller keeps its arrays, and come back with the answers. */
  readonly #spares: SpareBuffers
  #nextId = 0
  #isClosed = false
  #started: { resolve: (backend: string) => void; reject: (error: Error) => void } | null = null

  constructor({ threads, spawn }: PoolOptions) {
    if (!Number.isInteger(threads) || threads < 1) {
      throw new StudioError('internal', {
        title: 'A pool without threads',
        message: `A pool has at least one thread, not ${threads}.`,
        remedy: 'Report this with the details copied.',
      })
    }
    this.#size = threads
    this.#spares = new SpareBuffers(threads * piecesPerThread * inputsPerPiece * pieceBytes)
    this.#spawn = spawn
  }

  /** Resolves with the name of the backend when the first thread is ready. */
  start(): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#started = { resolve, reject }
      for (let i = 0; i < this.#size; i++) this.#add()
    })
  }

  run(name: OperationName, makeArguments: Job['makeArguments'], signal: AbortSignal | undefined): Promise<unknown> {
    throwIfAborted(signal)
    if (this.#isClosed) return Promise.reject(lostError('the pool is closed'))
    return new Promise((resolve, reject) => {
      const job: Job = {
        id: this.#nextId++,
        name,
        makeArguments,
        tries: 0,
        resolve: (result) => {
          signal?.removeEventListener('abort', stop)
          resolve(result)
        },
        reject: (error) => {
          signal?.removeEventListener('abort', stop)
          reject(error)
        },
      }
      const stop = (): void => {
        // A thread finishes the piece it has, which is short; its answer finds no taker.
        const waiting = this.#queue.indexOf(job)
        if (waiting >= 0) this.#queue.splice(waiting, 1)
        job.reject(abortError())
      }
      signal?.addEventListener('abort', stop)
      this.#queue.push(job)
      this.#pump()
    })
  }

  close(): void {
    this.#isClosed = true
    for (const { port } of this.#threads) port.terminate()
    this.#rejectAll(lostError('the pool is closed'))
    this.#threads.length = 0
    this.#spares.clear()
  }

  #add(): void {
    const thread: Thread = { port: this.#spawn(), jobs: [], isReady: false }
    this.#threads.push(thread)
    thread.port.listen((message) => isObject(message) && this.#receive(thread, message as unknown as ThreadMessage))
    thread.port.onLost((reason) => this.#lose(thread, reason))
  }

  #receive(thread: Thread, message: ThreadMessage): void {
    switch (message.kind) {
      case 'ready':
        thread.isReady = true
        this.#started?.resolve(message.backend)
        this.#started = null
        break
      case 'failed':
        thread.port.terminate()
        this.#lose(thread, message.reason)
        return
      case 'result':
        this.#spares.give(message.spent)
        take(thread, message.id)?.resolve(message.result)
        break
      case 'fault':
        take(thread, message.id)?.reject(errorOf(message.fault))
        break
    }
    this.#pump()
  }

  /** A thread that never became ready would fail again: no replacement, and with none left all work is refused. */
  #lose(thread: Thread, reason: string): void {
    const at = this.#threads.indexOf(thread)
    if (at < 0) return
    this.#threads.splice(at, 1)
    const [current, ...waiting] = thread.jobs
    this.#queue.unshift(...waiting)
    if (current !== undefined) {
      if (++current.tries >= triesPerPiece) current.reject(lostError(reason))
      else this.#queue.unshift(current)
    }
    if (thread.isReady) this.#add()
    if (this.#threads.length === 0) {
      this.#started?.reject(lostError(reason))
      this.#started = null
      this.#rejectAll(lostError(reason))
    }
    this.#pump()
  }

  #pump(): void {
    while (this.#queue.length > 0) {
      const ready = this.#threads.filter(({ isReady, jobs }) => isReady && jobs.length < piecesPerThread)
      const thread = ready.sort((a, b) => a.jobs.length - b.jobs.length)[0]
      const job = thread === undefined ? undefined : this.#queue.shift()
      if (thread === undefined || job === undefined) return
      try {
        const message: PieceMessage = { id: job.id, name: job.name, args: job.makeArguments(this.#spares.copy) }
        thread.port.post(message, buffersOf(message.args))
        thread.jobs.push(job)
      } catch (error) {
        // No memory for the copies: the fault of this piece alone.
        job.reject(errorOf(faultOf(error)))
      }
    }
  }

  #rejectAll(error: StudioError): void {
    for (const job of [...this.#threads.flatMap(({ jobs }) => jobs), ...this.#queue]) job.reject(error)
    this.#queue.length = 0
  }
}

function take(thread: Thread, id: number): Job | undefined {
  const at = thread.jobs.findIndex((job) => job.id === id)
  return at < 0 ? undefined : thread.jobs.splice(at, 1)[0]
}

function lostError(reason: string): StudioError {
  return new StudioError('worker-lost', {
    title: 'A worker was lost',
    message: `A worker that computes ended before it had answered: ${reason}.`,
    remedy: 'What is finished is kept. Close other tabs to free memory, then start again to go on.',
    details: { reason },
  })
}
