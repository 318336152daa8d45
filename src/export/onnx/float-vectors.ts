import type { ModelGraph } from '../../models/model-graph.ts'

/** Norms, biases and whatever else of a block runs in float, by checkpoint name. */
export function floatVectors(graph: ModelGraph): { readonly name: string; readonly shape: readonly number[] }[] {
  return [
    ...graph.blocks.flatMap((block) => [
      ...Object.values(block.norms),
      ...block.linears.flatMap(({ bias, outFeatures }) => (bias === null ? [] : [{ name: bias, shape: [outFeatures] }])),
    ]),
    graph.finalNorm,
  ]
}
