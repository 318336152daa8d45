import { StudioError } from '../core/errors.ts'
import type { ModelGraph } from '../models/model-graph.ts'
import type { ForwardEngine, ModelRunner } from '../runtime/engine.ts'

/** Opens an engine; the first of several is preferred, the others replace it when it fails. */
export type EngineFactory = () => Promise<ForwardEngine>

/**
 * The forward engine of a run and those to fall back on. A lost graphics device must not cost the run: the walk repeats the
 * block on the next engine and records which part ran where.
 */
export class EngineSupply {
  readonly #factories: readonly EngineFactory[]
  readonly #graph: ModelGraph
  #index = 0
  #backend = ''
  #open: { readonly engine: ForwardEngine; readonly runner: ModelRunner } | null = null

  constructor(factories: readonly EngineFactory[], graph: ModelGraph) {
    this.#factories = factories
    this.#graph = graph
  }

  /** The backend in use, or used last; empty before the first. */
  get backend(): string {
    return this.#backend
  }

  async get(signal: AbortSignal): Promise<{ readonly backend: string; readonly runner: ModelRunner }> {
    if (this.#open === null) {
      const factory = this.#factories[this.#index]
      if (factory === undefined) throw new RangeError('no forward engine')
      const engine = await factory()
      try {
        this.#open = { engine, runner: await engine.openModel(this.#graph, signal) }
      } catch (error) {
        await engine.close()
        throw error
      }
    }
    this.#backend = this.#open.engine.backend
    return { backend: this.#backend, runner: this.#open.runner }
  }

  /** Whether this fault is the engine's and another engine is left. */
  canFallBack(error: unknown): boolean {
    const isEngineFault = error instanceof StudioError && (error.code === 'device-lost' || error.code === 'engine-failed')
    return isEngineFault && this.#index + 1 < this.#factories.length
  }

  async fallBack(): Promise<void> {
    await this.close()
    this.#index++
  }

  /** Never throws: an engine that is gone cannot be closed. */
  async close(): Promise<void> {
    const open = this.#open
    this.#open = null
    if (open === null) return
    await open.runner.close().catch(() => undefined)
    await open.engine.close().catch(() => undefined)
  }
}
