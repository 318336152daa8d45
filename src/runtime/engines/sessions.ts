import type { InferenceSession, Tensor } from 'onnxruntime-web'
import { StudioError } from '../../core/errors.ts'
import { Loss } from '../../core/loss.ts'
import { encodeModel, type OnnxGraph } from '../../formats/onnx/model.ts'
import type { Ort } from './load-onnxruntime.ts'

/** ONNX Runtime's level for errors; below it, it reports that shape arithmetic of a WebGPU graph runs on the processor. */
const errorsOnly = 3

export type Feeds = Readonly<Record<string, Tensor>>

export interface SessionOptions {
  /** Where ONNX Runtime computes: `cpu` in its native build, the build's own name elsewhere. */
  readonly provider: 'cpu' | 'wasm' | 'webgpu'
  /** Absent: as ONNX Runtime was started with. */
  readonly threads?: number
}

/** A weight that stays where the backend computes, for many runs. */
export interface ResidentTensor {
  readonly tensor: Tensor
  readonly release: () => void
}

/**
 * Sessions of one model by name, made when first needed. Runs go one after the other: ONNX Runtime's WASM build has one
 * stack, and a second run that starts while one is suspended is refused.
 */
export class OnnxSessions {
  readonly #ort: Ort
  readonly #options: SessionOptions
  readonly #sessions = new Map<string, Promise<InferenceSession>>()
  /** Of the graphics device, whatever is going on then. */
  readonly #loss = new Loss()
  #device: GPUDevice | null = null
  #last: Promise<unknown> = Promise.resolve()

  constructor(ort: Ort, options: SessionOptions) {
    this.#ort = ort
    this.#options = options
  }

  /** Whether graphs may compute in f64. */
  get hasDoubles(): boolean {
    return this.#options.provider !== 'webgpu'
  }

  /** Makes the session so that the first run is not the one that waits, or that fails. */
  async prepare(name: string, graph: () => OnnxGraph): Promise<void> {
    await this.#enqueue(() => this.#session(name, graph))
  }

  async run(name: string, graph: () => OnnxGraph, feeds: Feeds): Promise<InferenceSession.OnnxValueMapType> {
    return this.#enqueue(async () => {
      const session = await this.#session(name, graph)
      return session.run(feeds)
    })
  }

  floats(data: Float32Array<ArrayBuffer>, shape: readonly number[]): Tensor {
    return new this.#ort.Tensor('float32', data, shape)
  }

  integers(values: readonly number[]): Tensor {
    return new this.#ort.Tensor('int64', BigInt64Array.from(values, BigInt), [values.length])
  }

  /** On WebGPU a copy in graphics memory, elsewhere the array itself, which the caller must leave alone until released. */
  async resident(data: Float32Array<ArrayBuffer>, shape: readonly number[]): Promise<ResidentTensor> {
    const device = this.#device
    if (device === null) return { tensor: this.floats(data, shape), release: () => undefined }
    if (this.#loss.error !== null) throw this.#loss.error
    device.pushErrorScope('out-of-memory')
    const size = Math.ceil(data.byteLength / 16) * 16
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST
    const buffer = device.createBuffer({ size, usage })
    device.queue.writeBuffer(buffer, 0, data)
    const refusal = await this.#loss.guard(device.popErrorScope())
    if (refusal !== null) {
      buffer.destroy()
      throw engineFailed(this.#options.provider, refusal)
    }
    const tensor = this.#ort.Tensor.fromGpuBuffer(buffer, { dataType: 'float32', dims: [...shape] })
    return {
      tensor,
      release: () => {
        tensor.dispose()
        buffer.destroy()
      },
    }
  }

  async close(): Promise<void> {
    const sessions = [...this.#sessions.values()]
    this.#sessions.clear()
    await this.#last.catch(() => undefined)
    for (const session of sessions) await session.then((it) => it.release()).catch(() => undefined)
  }

  async #session(name: string, graph: () => OnnxGraph): Promise<InferenceSession> {
    const known = this.#sessions.get(name)
    if (known !== undefined) return known
    const { provider, threads } = this.#options
    const session = this.#ort.InferenceSession.create(encodeModel(graph()), {
      executionProviders: [provider],
      ...(threads !== undefined && { intraOpNumThreads: threads }),
      graphOptimizationLevel: 'all',
      logSeverityLevel: errorsOnly,
    })
    this.#sessions.set(name, session)
    try {
      const made = await session
      if (provider === 'webgpu') await this.#watchDevice()
      return made
    } catch (cause) {
      this.#sessions.delete(name)
      throw cause
    }
  }

  /** ONNX Runtime makes the device with its first session. */
  async #watchDevice(): Promise<void> {
    if (this.#device !== null) return
    const device = await this.#ort.env.webgpu.device
    this.#device = device
    void device.lost.then((info) => this.#loss.declare(deviceLost(info.message)))
  }

  #enqueue<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last
      .then(() => this.#loss.guard(this.#loss.error === null ? work() : Promise.reject(this.#loss.error)))
      .catch((cause: unknown) => {
        throw cause instanceof StudioError ? cause : engineFailed(this.#options.provider, cause)
      })
    // the queue must not keep the tensors of the last run
    this.#last = result.then(
      () => undefined,
      () => undefined,
    )
    return result
  }
}

function deviceLost(reason: string): StudioError {
  return new StudioError('device-lost', {
    title: 'The graphics device went away',
    message: `The browser took the graphics device back during a forward pass${reason === '' ? '' : ` (${reason})`}. Finished blocks are kept.`,
    remedy: 'Continue on the processor (WASM), or reload the page to get the device back.',
  })
}

function engineFailed(provider: string, cause: unknown): StudioError {
  const text = messageOf(cause)
  const isMemory = /bad_alloc|out of memory|memory access out of bounds|allocat/i.test(text)
  return new StudioError(
    'engine-failed',
    {
      title: isMemory ? 'Not enough memory for the forward pass' : 'The forward pass failed',
      message: isMemory
        ? 'ONNX Runtime could not get the memory for this block and batch. Finished blocks are kept.'
        : 'ONNX Runtime stopped while it ran a block. Finished blocks are kept.',
      remedy: isMemory
        ? 'Close other tabs, or measure with a shorter context.'
        : 'Continue the run; if it stops again, choose the other backend in the settings.',
      details: { backend: provider, cause: text.slice(0, 500) },
    },
    { cause },
  )
}

/** Errors of WebGPU's scopes are not `Error`s. */
function messageOf(cause: unknown): string {
  if (typeof cause !== 'object' || cause === null || !('message' in cause)) return String(cause)
  return String(cause.message)
}
