import { wasmBase64 } from './build/kernels.ts'

/** Encodes count values at x, which must be whole blocks, to `to`; 1 when one is not finite, else 0. */
export type Encode = (x: number, count: number, to: number) => number
/** Decodes to count values. */
export type Decode = (blocks: number, count: number, values: number) => void
type Call = (...args: readonly number[]) => number

/** What the module exports; pointers are byte offsets into `memory`. Described where they are written, in `assembly/`. */
export interface KernelExports {
  readonly memory: WebAssembly.Memory
  readonly heapBase: () => number
  readonly findRange: Call
  readonly quantizeAffine: Call
  readonly dequantizeAffine: Call
  readonly encodeF32: Encode
  readonly decodeF32: Decode
  readonly encodeF16: Encode
  readonly decodeF16: Decode
  readonly encodeQ4_0: Encode
  readonly decodeQ4_0: Decode
  readonly encodeQ4_1: Encode
  readonly decodeQ4_1: Decode
  readonly encodeQ8_0: Encode
  readonly decodeQ8_0: Decode
  readonly compareWeights: Call
  readonly summarizeWeights: Call
  readonly countWeights: Call
  readonly accumulateGram: Call
  readonly traceThroughGram: Call
  readonly largestLogit: Call
  readonly sumLogits: Call
}

let compiled: Promise<WebAssembly.Module> | undefined

/** A new instance with a memory of its own; the bytes are compiled once a thread. */
export async function instantiateKernels(): Promise<KernelExports> {
  compiled ??= WebAssembly.compile(Uint8Array.from(atob(wasmBase64), (character) => character.charCodeAt(0)))
  const { exports } = await WebAssembly.instantiate(await compiled, { env: { abort: () => undefined } })
  return exports as unknown as KernelExports
}
