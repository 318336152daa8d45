import { StudioError } from '../../core/errors.ts'
import type { ForwardEngine } from '../engine.ts'
import { onnxEngine } from './onnxruntime.ts'
import { OnnxSessions } from './sessions.ts'

/**
 * Forward passes by onnxruntime-node: the same graphs with whatever instructions this processor has, so that last digits
 * differ between machines, as they do not in WASM. In Node alone. Throws `StudioError` `engine-failed` where that has no build.
 */
export async function createNativeEngine(threads: number): Promise<ForwardEngine> {
  const ort = await import('onnxruntime-node').catch((cause: unknown) => {
    throw new StudioError(
      'engine-failed',
      {
        title: 'The native ONNX Runtime did not start',
        message: 'onnxruntime-node could not be loaded on this machine.',
        remedy: 'Leave --engine native out: WASM runs everywhere.',
        details: { cause: String(cause) },
      },
      { cause },
    )
  })
  return onnxEngine(`native x${String(threads)}`, () => new OnnxSessions(ort, { provider: 'cpu', threads }))
}
