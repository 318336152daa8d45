import { StudioError, throwIfAborted } from '../../core/errors.ts'
import type { ModelGraph } from '../../models/model-graph.ts'
import type { ForwardEngine, ModelRunner } from '../engine.ts'
import { type EngineBackend, loadOnnxRuntime, type Ort } from './load-onnxruntime.ts'
import { OnnxModelRunner } from './model-runner.ts'
import { OnnxSessions } from './sessions.ts'
import { probeWebGpu } from './webgpu.ts'

export interface OnnxEngineOptions {
  readonly backend: EngineBackend
  /** Threads of the WASM build; 1 where memory cannot be shared. The first engine of a thread decides for later ones. */
  readonly threads: number
}

/** Threads that the WASM build of this thread was started with; ONNX Runtime starts once and cannot change them. */
const startedThreads = new Map<EngineBackend, number>()

/**
 * Forward passes by onnxruntime-web, public session API only. Throws `StudioError` `engine-failed` when ONNX Runtime does
 * not start and `device-lost` when there is no graphics adapter to be had.
 */
export async function createOnnxEngine({ backend, threads }: OnnxEngineOptions): Promise<ForwardEngine> {
  const adapter = backend === 'webgpu' ? await probeWebGpu() : null
  if (backend === 'webgpu' && adapter === null) {
    throw new StudioError('device-lost', {
      title: 'No graphics adapter',
      message: 'This browser offers no WebGPU adapter, so forward passes cannot run there.',
      remedy: 'Choose the processor (WASM) in the settings.',
    })
  }
  const ort = await startOnnxRuntime(backend)
  const count = startedThreads.get(backend) ?? (canShareMemory() ? Math.max(1, Math.floor(threads)) : 1)
  startedThreads.set(backend, count)
  ort.env.wasm.numThreads = count
  ort.env.logLevel = 'error'
  const name = adapter === null ? `wasm x${String(count)}` : `webgpu (${adapter.vendor} ${adapter.architecture})`
  return onnxEngine(name, () => new OnnxSessions(ort, { provider: backend }))
}

/** An engine by sessions of an ONNX Runtime that has started. */
export function onnxEngine(backend: string, open: () => OnnxSessions): ForwardEngine {
  return {
    backend,
    async openModel(graph: ModelGraph, signal?: AbortSignal): Promise<ModelRunner> {
      throwIfAborted(signal)
      const runner = new OnnxModelRunner(graph, open())
      await runner.prepare()
      return runner
    },
    close: () => Promise.resolve(),
  }
}

async function startOnnxRuntime(backend: EngineBackend): Promise<Ort> {
  try {
    return await loadOnnxRuntime(backend)
  } catch (cause) {
    throw new StudioError(
      'engine-failed',
      {
        title: 'ONNX Runtime did not start',
        message: 'The program that runs the model could not be loaded from this page.',
        remedy: 'Reload the page; if it happens again, the server that hosts the studio lacks a file.',
        details: { backend, cause: String(cause) },
      },
      { cause },
    )
  }
}

/** Node always can; a page only when it is cross-origin isolated. */
function canShareMemory(): boolean {
  return import.meta.env.SSR || globalThis.crossOriginIsolated
}
