// What the module exports. Pointers are byte offsets into its memory; `../arena.ts` places inputs from heapBase() on.
// Kernels may read and write up to `slack` bytes (arena.ts) past the end of an array, so that loops need no scalar tails.
export { dequantizeAffine, findRange, quantizeAffine } from './affine'
export { dequantizeCodeBook, quantizeCodeBook } from './codebook'
export {
  factorPivots32,
  factorPivots64,
  invertRows32,
  invertRows64,
  solvePanels32,
  solvePanels64,
  storeColumns32,
  storeColumns64,
  updateColumns32,
  updateColumns64,
  updateRows32,
  updateRows64,
} from './factor.generated'
export { fitSteps } from './fit'
export { decodeF16, decodeF32, encodeF16, encodeF32, widenBfloat16 } from './float-blocks'
export { decodeMXFP4, decodeNVFP4, encodeMXFP4, encodeNVFP4 } from './fp4'
export { accumulateGram, addColumnOfTiles, traceThroughGram } from './gram'
export { descendCodes, mirrorGram } from './descent'
export { groupLosses } from './group-losses'
export { decodeIQ1_M, decodeIQ1_S, encodeIQ1_M, encodeIQ1_S } from './iq1'
export { decodeIQ2_S, decodeIQ2_XS, decodeIQ2_XXS, encodeIQ2_S, encodeIQ2_XS, encodeIQ2_XXS } from './iq2'
export { decodeIQ3_S, decodeIQ3_XXS, encodeIQ3_S, encodeIQ3_XXS } from './iq3'
export { decodeIQ4_NL, decodeIQ4_XS, encodeIQ4_NL, encodeIQ4_XS, encodeWeightedIQ4_NL, encodeWeightedIQ4_XS } from './iq4'
export { prepareLattice } from './lattice-tables'
export { dequantizeKMeans, quantizeKMeans } from './k-means'
export { dequantizeInt8Rows, quantizeInt8Rows } from './int8-rows'
export { largestLogit, sumLogits } from './logits'
export { accumulateProduct, addPanelProducts } from './product'
export { decodeQ2_K, encodeQ2_K, encodeWeightedQ2_K } from './q2-k'
export { decodeQ3_K, encodeQ3_K, encodeWeightedQ3_K } from './q3-k'
export { decodeQ4_0, decodeQ5_0, encodeQ4_0, encodeQ5_0, encodeWeightedQ4_0, encodeWeightedQ5_0 } from './q4-0'
export { decodeQ4_1, decodeQ5_1, encodeQ4_1, encodeQ5_1, encodeWeightedQ4_1, encodeWeightedQ5_1 } from './q4-1'
export { decodeQ4_K, decodeQ5_K, encodeQ4_K, encodeQ5_K, encodeWeightedQ4_K, encodeWeightedQ5_K } from './q4-k'
export { decodeQ6_K, encodeQ6_K, encodeWeightedQ6_K } from './q6-k'
export { decodeQ8_0, encodeQ8_0 } from './q8-0'
export { arrangeColumns, passErrors, sweepColumns } from './sweep'
export { decodeTQ1_0, decodeTQ2_0, encodeTQ1_0, encodeTQ2_0 } from './ternary'
export { dequantizeRealAffine, quantizeRealAffine } from './real-affine'
export { compareWeights, countWeights, summarizeWeights } from './weights'

export function heapBase(): usize {
  return __heap_base
}
