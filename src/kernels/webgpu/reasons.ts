/**
 * Why an operation is not done on the graphics card. Inputs and results of every operation live in the memory of the worker,
 * and the way to the card and back takes about a second for every 2 GB; so only what computes long on few bytes gains.
 */
const quick = 'It takes WASM less time than copying the weights to the graphics card would.'
const longWayBack = 'Four bytes a weight would have to come back, which takes longer than WASM needs to compute them.'
const onePass = 'One pass over the weights in f64: copying them takes longer, and WGSL has no f64.'

const reasons: Readonly<Record<string, string>> = {
  quantizeAffine: quick,
  quantizeStoredAffine: quick,
  quantizeCodeBook: quick,
  quantizeInt8Rows: quick,
  fitSteps: quick,
  dequantizeAffine: longWayBack,
  dequantizeRealAffine: longWayBack,
  dequantizeKMeans: longWayBack,
  dequantizeGgml: longWayBack,
  dequantizeCodeBook: longWayBack,
  dequantizeInt8Rows: longWayBack,
  compareWeights: onePass,
  compareGgml: onePass,
  describeWeights: onePass,
  factorInverse: 'Where a factor in f32 does not hold it needs f64, which WGSL does not have.',
  groupLosses: 'Sums in f64, which WGSL does not have.',
  accumulateLogits: 'KL divergence is a small difference of large sums and needs f64, which WGSL does not have.',
}

/** The reason for an operation that is not among those of the card. */
export function reasonAgainst(operation: string): string {
  return reasons[operation] ?? 'It is not written for the graphics card.'
}
