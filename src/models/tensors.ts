import type { BlockSpec, ModelGraph, TensorSpec } from './model-graph.ts'

/** Tensors of one block: weights and biases of its linears, then norms. */
export function blockTensors(block: BlockSpec): readonly TensorSpec[] {
  const linears = block.linears.flatMap(({ weight, bias, inFeatures, outFeatures }) => [
    { name: weight, shape: [outFeatures, inFeatures] },
    ...(bias === null ? [] : [{ name: bias, shape: [outFeatures] }]),
  ])
  return [...linears, ...Object.values(block.norms)]
}

/** The same tensors by their role in the block: `q`, `q.bias`, `attnIn`. */
export function tensorRoles(block: BlockSpec): readonly { readonly role: string; readonly name: string }[] {
  const linears = block.linears.flatMap(({ role, weight, bias }) => [
    { role, name: weight },
    ...(bias === null ? [] : [{ role: `${role}.bias`, name: bias }]),
  ])
  return [...linears, ...Object.entries(block.norms).map(([role, { name }]) => ({ role, name }))]
}

/** Every tensor the graph reads, in the order of execution, each once. */
export function expectedTensors(graph: ModelGraph): readonly TensorSpec[] {
  return [graph.embedding, ...graph.blocks.flatMap(blockTensors), graph.finalNorm, ...(graph.head === null ? [] : [graph.head])]
}

/**
 * Names that checkpoints carry although they are computed or not parameters (families.md section 1): rotary tables that
 * old exporters saved, and causal masks of GPT-2 styled files.
 */
export function isKnownBuffer(name: string): boolean {
  return /(^|\.)(rotary_emb\.(inv_freq|cos_cached|sin_cached)|attn\.masked_bias|attention\.masked_bias|position_ids)$/.test(name)
}
