import type { Environment } from '../../rpc/contract.ts'
import { counted } from '../format/numbers.ts'

/** "WebGPU, 8 threads", "WASM, 2 threads". */
export function backendInWords(environment: Environment): string {
  const isWebGpu = environment.forwardBackend.toLowerCase().includes('webgpu')
  return `${isWebGpu ? 'WebGPU' : 'WASM'}, ${counted(environment.threads, 'thread')}`
}

/** First of the four facts: what the graphics can do here. */
export function graphicsInWords({ webgpu }: Environment): string {
  if (webgpu === null) return 'no WebGPU; WASM is used'
  const name = [webgpu.vendor, webgpu.architecture].filter((part) => part !== '').join(' ')
  return `WebGPU${name === '' ? '' : `, ${name}`}${webgpu.isSoftware ? ', in software' : ''}`
}

/**
 * Largest Llama-shaped model whose walk stays within the memory limit: one block in f32 for the float and the quantized
 * weights (8 bytes a weight), of about 22 blocks, beside hidden states of 20,000 tokens. Words, since it is a rule of thumb.
 */
export function largestModelInWords(memoryLimitBytes: number): string {
  const hiddenStates = 0.25 * memoryLimitBytes
  const parameters = ((memoryLimitBytes - hiddenStates) / 8) * 22
  const billions = parameters / 1e9
  return billions >= 1 ? `about ${Math.floor(billions)} billion parameters` : `about ${Math.floor(billions * 10) * 100} million parameters`
}
