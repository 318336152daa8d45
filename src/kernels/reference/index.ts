import type { Kernels } from '../contract/kernels.ts'
import type { KernelOperations } from '../contract/operations.ts'
import { createInlineKernels } from '../inline.ts'
import { dequantizeAffine, findRange, quantizeAffine } from './affine.ts'
import { dequantizeGgml, quantizeGgml } from './ggml/index.ts'
import { accumulateGram, traceThroughGram } from './gram.ts'
import { accumulateLogits } from './logits.ts'
import { quantizeStored } from './stored.ts'
import { compareGgml, compareWeights, countWeights, summarizeWeights } from './weights.ts'

/** The specification: plain loops, every f32 step written out. */
export const referenceOperations: KernelOperations = {
  backend: 'reference',
  findRange,
  quantizeAffine,
  dequantizeAffine,
  quantizeGgml,
  quantizeStored,
  dequantizeGgml,
  compareWeights,
  compareGgml,
  accumulateGram,
  traceThroughGram,
  summarizeWeights,
  countWeights,
  accumulateLogits,
}

/** The reference backend in the calling thread. */
export function createReferenceKernels(): Kernels {
  return createInlineKernels(referenceOperations)
}
