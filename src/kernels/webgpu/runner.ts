import { StudioError } from '../../core/errors.ts'
import { AcceleratorFault } from '../contract/accelerator.ts'
import { Staging } from './staging.ts'

/** A shader and what stands in for its `override` constants. */
export interface Shader {
  readonly code: string
  readonly constants?: Readonly<Record<string, number>>
}

/** A buffer by name; it is kept for the next call and grows when that needs more. */
interface Slot {
  readonly buffer: GPUBuffer
  readonly sizeBytes: number
}

const usages = {
  storage: 0x80 | 0x08 | 0x04, // STORAGE, COPY_DST, COPY_SRC
  uniform: 0x40 | 0x08, // UNIFORM, COPY_DST
} as const
/** Up to here the queue's own way to the card costs less than waiting for a staging buffer. */
const smallBytes = 64 * 1024

/** Bytes one buffer of ours has at most: with about four of them, what the studio holds on a graphics card. */
export const largestBufferBytes = 64 * 2 ** 20

/**
 * Shaders on one device, one call at a time. Its memory is a few named buffers of at most `bufferBytes` each. What goes wrong
 * on the device rejects with `AcceleratorFault`.
 */
export class GpuRunner {
  readonly bufferBytes: number
  readonly #device: GPUDevice
  readonly #shaders: Readonly<Record<string, Shader>>
  readonly #pipelines = new Map<string, Promise<GPUComputePipeline>>()
  readonly #slots = new Map<string, Slot>()
  readonly #staging: Staging
  #last: Promise<unknown> = Promise.resolve()
  #lostReason: string | null = null

  constructor(
    device: GPUDevice,
    { shaders, bufferBytes }: { readonly shaders: Readonly<Record<string, Shader>>; readonly bufferBytes: number },
  ) {
    this.#device = device
    this.#shaders = shaders
    this.#staging = new Staging(device)
    this.bufferBytes = Math.min(bufferBytes, device.limits.maxStorageBufferBindingSize, device.limits.maxBufferSize)
    void device.lost.then(({ message, reason }) => {
      this.#lostReason = message === '' ? reason : message
    })
  }

  /** Runs `work` after the calls before it, and turns every fault of the device into an `AcceleratorFault`. */
  async exclusively<Result>(work: () => Promise<Result>): Promise<Result> {
    const turn = this.#last.then(() => this.#guarded(work))
    this.#last = turn.catch(() => undefined)
    return turn
  }

  async #guarded<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#lostReason !== null) throw new AcceleratorFault(this.#lostReason, { isLasting: true })
    const device = this.#device
    for (const filter of ['validation', 'internal', 'out-of-memory'] as const) device.pushErrorScope(filter)
    let result: Result | undefined
    let failure: unknown = null
    try {
      result = await work()
    } catch (error) {
      failure = error
    }
    const faults = [await device.popErrorScope(), await device.popErrorScope(), await device.popErrorScope()]
    const [memory, internal, validation] = faults
    const message = (internal ?? validation ?? memory)?.message ?? this.#lostReason
    if (message !== null) throw new AcceleratorFault(message, { isLasting: memory?.message !== message })
    // What a call throws by itself (an abort, a matrix of another shape) goes on as it is; the rest is the device's.
    if (failure instanceof StudioError || failure instanceof AcceleratorFault) throw failure
    if (failure !== null) throw new AcceleratorFault(failure instanceof Error ? failure.message : 'unknown', { isLasting: true })
    return result as Result
  }

  /** Copies `data` into the slot's buffer. */
  async upload(slot: string, data: Float32Array | Uint32Array): Promise<GPUBuffer> {
    const buffer = this.storage(slot, data.byteLength)
    if (data.byteLength <= smallBytes) this.#device.queue.writeBuffer(buffer, 0, data.buffer, data.byteOffset, data.byteLength)
    else await this.#staging.write(buffer, new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    return buffer
  }

  /** A buffer for results or intermediate values; holds anything. */
  storage(slot: string, sizeBytes: number): GPUBuffer {
    return this.#slot(slot, sizeBytes, usages.storage)
  }

  /** Runs a shader: binding 0 is the uniform `call`, then the buffers in order. `groups` are workgroups in x and y. */
  async dispatch(
    shader: string,
    { call, buffers, groups }: { call: Uint32Array<ArrayBuffer>; buffers: readonly GPUBuffer[]; groups: readonly [number, number] },
  ): Promise<void> {
    const pipeline = await this.#pipeline(shader)
    const uniform = this.#slot('call', Math.ceil(call.byteLength / 16) * 16, usages.uniform)
    this.#device.queue.writeBuffer(uniform, 0, call)
    const bindings = this.#device.createBindGroup({
      layout: pipeline.getBindGroupLayout(0),
      entries: [uniform, ...buffers].map((buffer, binding) => ({ binding, resource: { buffer } })),
    })
    const encoder = this.#device.createCommandEncoder()
    const pass = encoder.beginComputePass()
    pass.setPipeline(pipeline)
    pass.setBindGroup(0, bindings)
    pass.dispatchWorkgroups(...groups)
    pass.end()
    this.#device.queue.submit([encoder.finish()])
  }

  /** Fills `target` with what the buffer begins with. */
  async read<Target extends Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>>(
    buffer: GPUBuffer,
    target: Target,
  ): Promise<Target> {
    await this.#staging.read(buffer, new Uint8Array(target.buffer, target.byteOffset, target.byteLength))
    return target
  }

  /** Gives every buffer back and the device up. */
  close(): void {
    for (const { buffer } of this.#slots.values()) buffer.destroy()
    this.#slots.clear()
    this.#staging.close()
    this.#device.destroy()
  }

  #slot(name: string, sizeBytes: number, usage: number): GPUBuffer {
    const held = this.#slots.get(name)
    if (held !== undefined && held.sizeBytes >= sizeBytes) return held.buffer
    held?.buffer.destroy()
    const buffer = this.#device.createBuffer({ label: name, size: sizeBytes, usage })
    this.#slots.set(name, { buffer, sizeBytes })
    return buffer
  }

  #pipeline(name: string): Promise<GPUComputePipeline> {
    const known = this.#pipelines.get(name)
    if (known !== undefined) return known
    const { code = '', constants = {} } = this.#shaders[name] ?? {}
    const module = this.#device.createShaderModule({ label: name, code })
    const compute = { module, entryPoint: 'main', constants: { ...constants } }
    const pipeline = this.#device.createComputePipelineAsync({ label: name, layout: 'auto', compute })
    this.#pipelines.set(name, pipeline)
    return pipeline
  }
}
