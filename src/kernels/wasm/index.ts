import type { Kernels } from '../contract/kernels.ts'
import type { KernelOperations } from '../contract/operations.ts'
import { createInlineKernels } from '../inline.ts'
import { dequantizeAffine, findRange, quantizeAffine } from './affine.ts'
import { Arena } from './arena.ts'
import { compareGgml, dequantizeGgml, quantizeGgml } from './ggml.ts'
import { accumulateGram, traceThroughGram } from './gram.ts'
import { accumulateLogits } from './logits.ts'
import { instantiateKernels } from './module.ts'
import { quantizeStored } from './stored.ts'
import { compareWeights, countWeights, summarizeWeights } from './weights.ts'

/** The WASM SIMD backend: one instance with a memory of its own, for the thread that calls it. */
export async function loadWasmOperations(): Promise<KernelOperations> {
  const wasm = await instantiateKernels()
  const arena = new Arena(wasm)
  return {
    backend: 'wasm',
    findRange: (piece) => findRange(wasm, arena, piece),
    quantizeAffine: (piece, params, range) => quantizeAffine(wasm, arena, { piece, params, range }),
    dequantizeAffine: (tensor) => dequantizeAffine(wasm, arena, tensor),
    quantizeGgml: (piece, type, importance) => quantizeGgml(wasm, arena, { piece, type, importance }),
    quantizeStored: (piece, type) => quantizeStored(wasm, arena, { piece, type }),
    dequantizeGgml: (blocks, shape, type) => dequantizeGgml(wasm, arena, { blocks, shape, type }),
    compareWeights: (weight, approximation) => compareWeights(wasm, arena, { weight, approximation }),
    compareGgml: (piece, blocks, type) => compareGgml(wasm, arena, { piece, blocks, type }),
    accumulateGram: (stripe, input) => accumulateGram(wasm, arena, { stripe, input }),
    traceThroughGram: (stripe, delta) => traceThroughGram(wasm, arena, { stripe, delta }),
    summarizeWeights: (piece) => summarizeWeights(wasm, arena, piece),
    countWeights: (data, limit, bins) => countWeights(wasm, arena, { data, limit, bins }),
    accumulateLogits: (state, tile) => accumulateLogits(wasm, arena, { state, tile }),
  }
}

/** The WASM backend in the calling thread. */
export async function createWasmKernels(): Promise<Kernels> {
  return createInlineKernels(await loadWasmOperations())
}
