import { abortError, StudioError, throwIfAborted } from '../core/errors.ts'
import { canShareMemory, isShared, sharedBytes } from '../core/shared-memory.ts'
import type { Kernels } from './contract/kernels.ts'
import type { KernelExecutor, OperationName, PieceArray, PieceWork } from './executor.ts'
import { type BatchMessage, buffersOf, errorOf, faultOf, type PieceMessage, type ThreadMessage } from './messages.ts'
import { pieceBytes } from './pieces.ts'
import { type CallWork, PoolCall } from './pool-call.ts'
import { isObject, type KernelPort } from './port.ts'
import { SpareBuffers } from './spare-buffers.ts'
import { createSplitKernels } from './split.ts'
import { areShared, deliver } from './targets.ts'

export interface PoolOptions {
  /** At least 1. To work in the calling thread use `createInlineKernels`. */
  readonly threads: number
  /** Starts a thread that runs `serveKernels`; also called to replace one that died. */
  readonly spawn: () => KernelPort
}

/** One batch at work and the next one waiting in each thread, so that a thread never waits for its arguments. */
const batchesPerThread = 2
/** Large inputs of most operations; what is kept for the next copies is bounded by it. */
const inputsPerPiece = 2

interface Batch {
  readonly id: number
  readonly call: PoolCall
  /** Of the call's pieces. */
  readonly pieces: readonly number[]
}

interface Thread {
  readonly port: KernelPort
  /** In the order sent; the thread works on the first. */
  readonly batches: Batch[]
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
    each: (name, pieces, work, signal) => pool.run(callWork(name, pieces, work), signal),
    memory: (byteLength) => sharedBytes(byteLength).buffer,
    share: (array) => (canShareMemory() && !isShared(array) ? sharedCopy(array) : array),
    close: () => {
      pool.close()
      return Promise.resolve()
    },
  }
  return createSplitKernels(executor)
}

/** A call as the pool knows it: pieces by index. */
function callWork<Name extends OperationName, Piece>(
  name: Name,
  pieces: readonly Piece[],
  { argumentsOf, targetsOf, take }: PieceWork<Name, Piece>,
): CallWork {
  const pieceAt = (index: number): Piece => pieces[index] as Piece
  // The targets of all pieces are in the same memory.
  const areWrittenThere = targetsOf !== undefined && pieces.slice(0, 1).every((piece) => areShared(targetsOf(piece)))
  return {
    name,
    count: pieces.length,
    argumentsOf: (index, cut) => argumentsOf(pieceAt(index), cut),
    targetsOf: (index) => (areWrittenThere ? targetsOf(pieceAt(index)) : null),
    take(result, index) {
      if (targetsOf !== undefined && !areWrittenThere) deliver(result, targetsOf(pieceAt(index)))
      take?.(result as Parameters<NonNullable<typeof take>>[0], pieceAt(index), index)
    },
  }
}

class ThreadPool {
  readonly #spawn: () => KernelPort
  readonly #threads: Thread[] = []
  /** Those with pieces to hand out, in their order; some may be over. */
  readonly #calls: PoolCall[] = []
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
    this.#spares = new SpareBuffers(threads * batchesPerThread * inputsPerPiece * pieceBytes)
    this.#spawn = spawn
  }

  /** Resolves with the name of the backend when the first thread is ready. */
  start(): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#started = { resolve, reject }
      for (let i = 0; i < this.#size; i++) this.#add()
    })
  }

  async run(work: CallWork, signal: AbortSignal | undefined): Promise<void> {
    throwIfAborted(signal)
    if (this.#isClosed) throw lostError('the pool is closed')
    const call = new PoolCall(work)
    // Threads finish the batches they have, which are short; their answers find no taker.
    const stop = (): void => call.fail(abortError())
    signal?.addEventListener('abort', stop)
    this.#calls.push(call)
    this.#pump()
    try {
      await call.finished
    } finally {
      signal?.removeEventListener('abort', stop)
    }
  }

  close(): void {
    this.#isClosed = true
    for (const { port } of this.#threads) port.terminate()
    this.#rejectAll(lostError('the pool is closed'))
    this.#threads.length = 0
    this.#spares.clear()
  }

  #add(): void {
    const thread: Thread = { port: this.#spawn(), batches: [], isReady: false }
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
      case 'answer': {
        this.#spares.give(message.spent)
        const batch = takeBatch(thread, message.id)
        batch?.call.take(batch.pieces, message.results)
        if (message.fault !== null) batch?.call.fail(errorOf(message.fault))
        break
      }
    }
    this.#pump()
  }

  /** A thread that never became ready would fail again: no replacement, and with none left all work is refused. */
  #lose(thread: Thread, reason: string): void {
    const at = this.#threads.indexOf(thread)
    if (at < 0) return
    this.#threads.splice(at, 1)
    for (const [position, { call, pieces }] of thread.batches.entries()) {
      if (call.giveBack(pieces, position === 0)) this.#calls.unshift(call)
      else call.fail(lostError(reason))
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
    while (this.#calls.length > 0) {
      const [call] = this.#calls
      if (call?.isWaiting !== true) {
        this.#calls.shift()
        continue
      }
      const ready = this.#threads.filter(({ isReady, batches }) => isReady && batches.length < batchesPerThread)
      const thread = ready.sort((a, b) => a.batches.length - b.batches.length)[0]
      if (thread === undefined) return
      const { name, argumentsOf, targetsOf } = call.work
      const size = call.batchSize(this.#size)
      const id = this.#nextId++
      const pieces: number[] = []
      const messages: PieceMessage[] = []
      let copiedBytes = 0
      try {
        // Copies are best read soon after they were made, so only what is shared goes in larger batches.
        while (pieces.length < size && copiedBytes < pieceBytes / 2) {
          const piece = call.nextPiece()
          const args = argumentsOf(piece, this.#spares.copy)
          pieces.push(piece)
          messages.push({ args, targets: targetsOf(piece) })
          copiedBytes += buffersOf(args).reduce((sum, { byteLength }) => sum + byteLength, 0)
        }
        thread.port.post({ id, name, pieces: messages } satisfies BatchMessage, buffersOf(messages))
        thread.batches.push({ id, call, pieces })
      } catch (error) {
        // No memory for the copies: the fault of this call alone.
        call.fail(errorOf(faultOf(error)))
      }
    }
  }

  #rejectAll(error: StudioError): void {
    for (const { call } of this.#threads.flatMap(({ batches }) => batches)) call.fail(error)
    for (const call of this.#calls) call.fail(error)
    this.#calls.length = 0
  }
}

function takeBatch(thread: Thread, id: number): Batch | undefined {
  const at = thread.batches.findIndex((batch) => batch.id === id)
  return at < 0 ? undefined : thread.batches.splice(at, 1)[0]
}

function sharedCopy<T extends PieceArray>(array: T): T {
  const Type = array.constructor as new (buffer: ArrayBufferLike) => T
  const copied = new Type(sharedBytes(array.byteLength).buffer)
  copied.set(array)
  return copied
}

function lostError(reason: string): StudioError {
  return new StudioError('worker-lost', {
    title: 'A worker was lost',
    message: `A worker that computes ended before it had answered: ${reason}.`,
    remedy: 'What is finished is kept. Close other tabs to free memory, then start again to go on.',
    details: { reason },
  })
}
