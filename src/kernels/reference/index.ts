import type { Kernels } from '../contract/kernels.ts'
import type { KernelOperations } from '../contract/operations.ts'
import { createInlineKernels } from '../inline.ts'
import { dequantizeAffine, findRange, quantizeAffine } from './affine.ts'
import { dequantizeCodeBook, quantizeCodeBook } from './codebook.ts'
import { descendCodes } from './descent.ts'
import { factorColumns, invertColumns } from './factor.ts'
import { fitSteps } from './fit.ts'
import { dequantizeGgml, quantizeGgml } from './ggml/index.ts'
import { accumulateGram, groupLosses, traceThroughGram } from './gram.ts'
import { dequantizeInt8Rows, quantizeInt8Rows } from './int8-rows.ts'
import { dequantizeKMeans, quantizeKMeans } from './k-means.ts'
import { accumulateLogits } from './logits.ts'
import { accumulateProduct } from './product.ts'
import { dequantizeRealAffine, quantizeRealAffine } from './real-affine.ts'
import { quantizeStored, quantizeStoredAffine } from './stored.ts'
import { sweepColumns } from './sweep.ts'
import { compareGgml, compareWeights, countWeights, summarizeWeights } from './weights.ts'

/** The specification: plain loops, every f32 step written out. */
export const referenceOperations: KernelOperations = {
  backend: 'reference',
  findRange,
  quantizeAffine,
  dequantizeAffine,
  quantizeRealAffine,
  dequantizeRealAffine,
  quantizeKMeans,
  dequantizeKMeans,
  quantizeGgml: (piece, type, importance) => ({ blocks: quantizeGgml(piece, type, importance) }),
  quantizeStored,
  quantizeStoredAffine,
  dequantizeGgml,
  quantizeCodeBook,
  dequantizeCodeBook,
  quantizeInt8Rows,
  dequantizeInt8Rows,
  compareWeights,
  compareGgml,
  accumulateGram,
  accumulateProduct,
  traceThroughGram,
  groupLosses,
  factorColumns,
  invertColumns,
  fitSteps,
  sweepColumns,
  descendCodes,
  summarizeWeights,
  countWeights,
  accumulateLogits,
}

/** The reference backend in the calling thread. */
export function createReferenceKernels(): Kernels {
  return createInlineKernels(referenceOperations)
}
