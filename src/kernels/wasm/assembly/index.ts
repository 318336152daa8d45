// What the module exports. Pointers are byte offsets into its memory; `../arena.ts` places inputs from heapBase() on.
// Kernels may read and write up to `slack` bytes (arena.ts) past the end of an array, so that loops need no scalar tails.
export { dequantizeAffine, findRange, quantizeAffine } from './affine'
export { decodeF16, decodeF32, encodeF16, encodeF32 } from './float-blocks'
export { accumulateGram, traceThroughGram } from './gram'
export { largestLogit, sumLogits } from './logits'
export { decodeQ4_0, encodeQ4_0 } from './q4-0'
export { decodeQ4_1, encodeQ4_1 } from './q4-1'
export { decodeQ8_0, encodeQ8_0 } from './q8-0'
export { compareWeights, countWeights, summarizeWeights } from './weights'

export function heapBase(): usize {
  return __heap_base
}
