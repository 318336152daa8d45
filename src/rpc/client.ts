import { proxy, type Remote, wrap } from 'comlink'
import { StudioError } from '../core/errors.ts'
import { Loss } from '../core/loss.ts'
import { installCodec } from './codec.ts'
import type { StudioService } from './contract.ts'
import { type WatchedWorker, watchWorker } from './watch-worker.ts'

/** Calls that put a worker into the state a new one must be brought to. */
const openings = new Set(['openFiles', 'openHub', 'openSample'])

const studioMethods = [
  'environment',
  'configure',
  'openFiles',
  'openHub',
  'openSample',
  'closeModel',
  'describeTensor',
  'catalogue',
  'parseRecipe',
  'recipeLink',
  'recipesFromLink',
  'commandLine',
  'hubText',
  'plan',
  'choices',
  'gridValues',
  'riskCheck',
  'run',
  'unfinishedRun',
  'discardRun',
  'generate',
  'exportRecipe',
  'importanceFile',
  'readExport',
  'storage',
  'clearStorage',
] as const satisfies readonly (keyof StudioService)[]

type Args = readonly unknown[]

/**
 * The studio in a worker, as the page holds it. A worker that dies (out of memory, killed) rejects the calls in flight with
 * `worker-lost`; the next call starts a new one, with the same settings and the same model open.
 */
export function connectStudio(spawn: () => WatchedWorker = spawnPipeline): StudioService {
  installCodec()
  const connection = new Connection(spawn)
  const service = Object.fromEntries(studioMethods.map((name) => [name, (...args: Args) => connection.call(name, args)]))
  return service as unknown as StudioService
}

function spawnPipeline(): WatchedWorker {
  return new Worker(new URL('../../workers/pipeline.ts', import.meta.url), { type: 'module', name: 'pipeline' })
}

interface Session {
  readonly remote: Remote<Record<string, (...args: unknown[]) => Promise<unknown>>>
  /** Of the worker. */
  readonly loss: Loss
}

class Connection {
  readonly #spawn: () => WatchedWorker
  #session: Promise<Session> | null = null
  #configuration: Args | null = null
  #opening: { readonly name: string; readonly args: Args } | null = null

  constructor(spawn: () => WatchedWorker) {
    this.#spawn = spawn
  }

  async call(name: string, args: Args): Promise<unknown> {
    this.#session ??= this.#start()
    const session = await this.#session
    const result = await send(session, name, args)
    if (name === 'configure') this.#configuration = args
    if (openings.has(name)) this.#opening = { name, args: args.map(replayed) }
    if (name === 'closeModel') this.#opening = null
    return result
  }

  async #start(): Promise<Session> {
    const worker = this.#spawn()
    const loss = new Loss()
    watchWorker(worker, 'pipeline', (reason) => {
      worker.terminate()
      this.#session = null
      loss.declare(workerLost(reason))
    })
    const session: Session = { remote: wrap(worker as Worker), loss }
    const wanted = [...(this.#configuration === null ? [] : [{ name: 'configure', args: this.#configuration }]), this.#opening]
    try {
      for (const call of wanted) if (call !== null) await send(session, call.name, call.args)
    } catch (error) {
      // The model cannot be opened any more; the call that follows says so in its own words.
      if (error instanceof StudioError && error.code === 'worker-lost') throw error
      this.#opening = null
    }
    return session
  }
}

function send(session: Session, name: string, args: Args): Promise<unknown> {
  const method = session.remote[name]
  if (method === undefined) throw new RangeError(`the studio has no "${name}"`)
  const sent = args.map((arg) => (typeof arg === 'function' ? proxy(arg) : arg))
  return session.loss.guard(method(...sent))
}

/** Arguments of an opening as a later worker gets them: silent, and not stopped by a signal of then. */
function replayed(arg: unknown): unknown {
  if (typeof arg === 'function') return () => undefined
  return arg instanceof AbortSignal ? new AbortController().signal : arg
}

function workerLost(reason: string): StudioError {
  return new StudioError('worker-lost', {
    title: 'A worker stopped and was restarted',
    message: `The worker that runs the studio ended: ${reason}.`,
    remedy: 'Finished blocks are kept: run again to go on. If this happens again, lower the memory limit or use fewer recipes.',
    details: { reason },
  })
}
