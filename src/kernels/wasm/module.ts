import { fromBase64 } from '../../core/base64.ts'
import type { GgmlType } from '../contract/ggml.ts'
import { wasmBase64 } from './build/kernels.ts'

/** Encodes count values at x, which must be whole blocks, to `to`; 1 when one is not finite, else 0. */
export type Encode = (x: number, count: number, to: number) => number
/** Decodes to count values. */
export type Decode = (blocks: number, count: number, values: number) => void
type Call = (...args: readonly number[]) => number
/** As `Encode` by importance, one for each column: x, rows, columns, to, importance. */
export type EncodeWeighted = Call

/** Types that search for the scales of plain codes and so can do it by importance. */
export type SearchedType = 'Q4_0' | 'Q4_1' | 'Q5_0' | 'Q5_1' | 'Q2_K' | 'Q3_K' | 'Q4_K' | 'Q5_K' | 'Q6_K' | 'IQ4_NL' | 'IQ4_XS'

/** Types whose codes are points of a code book. */
export type LatticeType = 'IQ1_S' | 'IQ1_M' | 'IQ2_XXS' | 'IQ2_XS' | 'IQ2_S' | 'IQ3_XXS' | 'IQ3_S'
/** As `EncodeWeighted`, with an importance of 0 for none and the book's tables at the end. */
export type EncodeLattice = Call
/** As `Decode`, with the book's tables at the end. */
export type DecodeLattice = Call

type PlainType = Exclude<GgmlType, LatticeType>
type GgmlExports = { readonly [Type in PlainType as `encode${Type}`]: Encode } & {
  readonly [Type in PlainType as `decode${Type}`]: Decode
} & { readonly [Type in SearchedType as `encodeWeighted${Type}`]: EncodeWeighted } & {
  readonly [Type in LatticeType as `encode${Type}`]: EncodeLattice
} & { readonly [Type in LatticeType as `decode${Type}`]: DecodeLattice }

/** What the module exports; pointers are byte offsets into `memory`. Described where they are written, in `assembly/`. */
export interface KernelExports extends GgmlExports {
  readonly memory: WebAssembly.Memory
  readonly heapBase: () => number
  readonly prepareLattice: Call
  readonly findRange: Call
  readonly quantizeAffine: Call
  readonly dequantizeAffine: Call
  readonly quantizeRealAffine: Call
  readonly dequantizeRealAffine: Call
  readonly quantizeKMeans: Call
  readonly dequantizeKMeans: Call
  readonly quantizeCodeBook: Call
  readonly dequantizeCodeBook: Call
  readonly quantizeInt8Rows: Call
  readonly dequantizeInt8Rows: Call
  readonly compareWeights: Call
  readonly widenBfloat16: Call
  readonly summarizeWeights: Call
  readonly countWeights: Call
  readonly accumulateGram: Call
  readonly accumulateProduct: Call
  readonly traceThroughGram: Call
  readonly groupLosses: Call
  readonly factorPivots32: Call
  readonly factorPivots64: Call
  readonly solvePanels32: Call
  readonly solvePanels64: Call
  readonly invertRows32: Call
  readonly invertRows64: Call
  readonly storeColumns32: Call
  readonly storeColumns64: Call
  readonly fitSteps: Call
  readonly arrangeColumns: Call
  readonly sweepColumns: Call
  readonly mirrorGram: Call
  readonly descendCodes: Call
  readonly largestLogit: Call
  readonly sumLogits: Call
}

let compiled: Promise<WebAssembly.Module> | undefined

/** A new instance with a memory of its own; the bytes are compiled once a thread. */
export async function instantiateKernels(): Promise<KernelExports> {
  compiled ??= WebAssembly.compile(fromBase64(wasmBase64))
  const { exports } = await WebAssembly.instantiate(await compiled, { env: { abort: () => undefined } })
  return exports as unknown as KernelExports
}
