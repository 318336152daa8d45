import { type AcceleratedOperations, type Accelerator, AcceleratorFault } from '../contract/accelerator.ts'
import { gramTokenBlock } from '../contract/operations.ts'
import { openDevice } from './device.ts'
import exact from './exact.wgsl?raw'
import division from './exact-division.wgsl?raw'
import ggml from './ggml.wgsl?raw'
import { accumulateGram, traceThroughGram } from './gram.ts'
import gram from './gram.wgsl?raw'
import ordinary from './ordinary.wgsl?raw'
import q4K from './q4-k.wgsl?raw'
import { quantizedTypes, quantizeGgml } from './quantize-ggml.ts'
import { reasonAgainst } from './reasons.ts'
import { GpuRunner, largestBufferBytes, type Shader } from './runner.ts'
import sweep from './sweep.wgsl?raw'
import sweepCall from './sweep-call.wgsl?raw'
import { sweepColumns } from './sweep-columns.ts'
import sweepPack from './sweep-pack.wgsl?raw'
import sweepUpdate from './sweep-update.wgsl?raw'
import trace from './trace.wgsl?raw'

/** The shaders by name; a test replaces one to see it noticed. */
export const webGpuShaders: Readonly<Record<string, Shader>> = {
  gram: { code: `${exact}${gram}`, constants: { tokenBlock: gramTokenBlock } },
  trace: { code: trace },
  'q4-k': { code: `${exact}${division}${ggml}${q4K}` },
  sweep: { code: `${exact}${division}${ordinary}${ggml}${sweepCall}${sweep}` },
  'sweep-update': { code: `${exact}${division}${ordinary}${sweepCall}${sweepUpdate}` },
  'sweep-pack': { code: sweepPack },
}

export interface WebGpuOptions {
  /** Default: the browser's. */
  readonly gpu?: GPU | undefined
  /** Default `webGpuShaders`. */
  readonly shaders?: Readonly<Record<string, Shader>>
  /** Bytes that one buffer may have at most. Default 64 MiB. */
  readonly bufferBytes?: number
}

/** The WebGPU backend on an adapter and a device of its own; a sentence when there is none. Nothing is compiled yet. */
export async function openWebGpuKernels({
  gpu,
  shaders = webGpuShaders,
  bufferBytes = largestBufferBytes,
}: WebGpuOptions = {}): Promise<Accelerator | string> {
  const opened = await openDevice(gpu ?? browserGpu())
  if (typeof opened === 'string') return opened
  const { device, name, isSoftware } = opened
  const runner = new GpuRunner(device, { shaders, bufferBytes })
  const operations: AcceleratedOperations = {
    accumulateGram: (gram, input, signal) => runner.exclusively(() => accumulateGram(runner, { gram, input }, signal)),
    traceThroughGram: (delta, gram, signal) => runner.exclusively(() => traceThroughGram(runner, { delta, gram }, signal)),
    quantizeGgml: (input, type, { importance = null } = {}, signal) =>
      quantizedTypes.includes(type)
        ? runner.exclusively(() => quantizeGgml(runner, { input, type, importance }, signal))
        : Promise.reject(new AcceleratorFault(`${type} is not written for the graphics card.`, { isLasting: false })),
    sweepColumns: (input, options, signal) => runner.exclusively(() => sweepColumns(runner, { input, options }, signal)),
  }
  return {
    name,
    isSoftware,
    operations,
    supports: (operation) => (operation in operations ? true : reasonAgainst(operation)),
    notes: {
      quantizeGgml: `${quantizedTypes.join(' and ')} only: their searches take WASM longer than the way to the card.`,
      sweepColumns: 'Not where the range of each group is searched for on the way.',
    },
    lost: device.lost.then(({ message, reason }) => (message === '' ? reason : message)),
    close: () => runner.close(),
  }
}

function browserGpu(): GPU | undefined {
  return (globalThis.navigator as { gpu?: GPU } | undefined)?.gpu
}
