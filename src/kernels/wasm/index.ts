import type { Kernels } from '../contract/kernels.ts'
import type { KernelOperations } from '../contract/operations.ts'
import { createInlineKernels } from '../inline.ts'
import { dequantizeAffine, findRange, quantizeAffine, quantizeStoredAffine } from './affine.ts'
import { Arena } from './arena.ts'
import { dequantizeCodeBook, quantizeCodeBook } from './codebook.ts'
import { descendCodes } from './descent.ts'
import { factorColumns, invertColumns } from './factor.ts'
import { fitSteps, sweepColumns } from './feedback.ts'
import { GgmlBlocks } from './ggml.ts'
import { accumulateGram, accumulateProduct, groupLosses, traceThroughGram } from './gram.ts'
import { dequantizeInt8Rows, quantizeInt8Rows } from './int8-rows.ts'
import { dequantizeKMeans, quantizeKMeans } from './k-means.ts'
import { accumulateLogits } from './logits.ts'
import { instantiateKernels } from './module.ts'
import { dequantizeRealAffine, quantizeRealAffine } from './real-affine.ts'
import { compareWeights, countWeights, summarizeWeights } from './weights.ts'

/** The WASM SIMD backend: one instance with a memory of its own, for the thread that calls it. */
export async function loadWasmOperations(): Promise<KernelOperations> {
  const wasm = await instantiateKernels()
  const arena = new Arena(wasm)
  const ggml = new GgmlBlocks(wasm, arena)
  return {
    backend: 'wasm',
    findRange: (piece) => findRange(wasm, arena, piece),
    quantizeAffine: (piece, params, range) => quantizeAffine(wasm, arena, { piece, params, range }),
    dequantizeAffine: (tensor) => dequantizeAffine(wasm, arena, tensor),
    quantizeGgml: (piece, type, importance) => ({ blocks: ggml.quantize(piece, type, importance) }),
    quantizeStored: (piece, type) => ggml.quantizeStored(piece, type),
    quantizeStoredAffine: (piece, params) => quantizeStoredAffine(wasm, arena, { piece, params }),
    dequantizeGgml: (blocks, shape, type) => ggml.dequantize(blocks, shape, type),
    quantizeRealAffine: (piece, fit) => quantizeRealAffine(wasm, arena, { piece, fit }),
    dequantizeRealAffine: (tensor) => dequantizeRealAffine(wasm, arena, tensor),
    quantizeKMeans: (piece, params, importance) => quantizeKMeans(wasm, arena, { piece, params, importance }),
    dequantizeKMeans: (tensor) => dequantizeKMeans(wasm, arena, tensor),
    quantizeCodeBook: (piece, params) => quantizeCodeBook(wasm, arena, { piece, params }),
    dequantizeCodeBook: (tensor) => dequantizeCodeBook(wasm, arena, tensor),
    quantizeInt8Rows: (piece) => quantizeInt8Rows(wasm, arena, piece),
    dequantizeInt8Rows: (tensor) => dequantizeInt8Rows(wasm, arena, tensor),
    compareWeights: (weight, approximation) => compareWeights(wasm, arena, { weight, approximation }),
    compareGgml: (piece, blocks, type) => ggml.compare(piece, blocks, type),
    accumulateGram: (stripe, input) => accumulateGram(wasm, arena, { stripe, input }),
    accumulateProduct: (sum, left, right) => accumulateProduct(wasm, arena, { sum, left, right }),
    traceThroughGram: (stripe, delta) => traceThroughGram(wasm, arena, { stripe, delta }),
    groupLosses: (delta, blocks, span) => groupLosses(wasm, arena, { delta, blocks, span }),
    factorColumns: (pivots, rows, step) => factorColumns(wasm, arena, { pivots, rows, step }),
    invertColumns: (lower, span) => invertColumns(wasm, arena, { lower, span }),
    fitSteps: (piece, group, rule) => fitSteps(wasm, arena, { piece, group, rule }),
    sweepColumns: (piece, options) => sweepColumns(wasm, arena, { piece, options }),
    descendCodes: (piece, options) => descendCodes(wasm, arena, { piece, options }),
    summarizeWeights: (piece) => summarizeWeights(wasm, arena, piece),
    countWeights: (data, limit, bins) => countWeights(wasm, arena, { data, limit, bins }),
    accumulateLogits: (state, tile) => accumulateLogits(wasm, arena, { state, tile }),
  }
}

/** The WASM backend in the calling thread. */
export async function createWasmKernels(): Promise<Kernels> {
  return createInlineKernels(await loadWasmOperations())
}
