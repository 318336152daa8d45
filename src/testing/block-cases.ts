import { createRandom } from '../core/random.ts'
import type { ModelGraph } from '../models/model-graph.ts'
import { familyFor } from '../models/registry.ts'
import type { Activations, BlockWeights } from '../runtime/engine.ts'
import { referenceBlock } from './reference-forward.ts'

/** A block shape to run on every backend, with what is special about it as its name. */
export interface BlockCase {
  readonly name: string
  readonly config: Readonly<Record<string, unknown>>
  readonly batch: number
  readonly length: number
}

const llama3Scaling = { rope_type: 'llama3', factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 32 }
const qwen2 = { model_type: 'qwen2', architectures: ['Qwen2ForCausalLM'] }

export const blockCases: readonly BlockCase[] = [
  { name: 'grouped queries, two windows', config: {}, batch: 2, length: 9 },
  { name: 'one key head a query head', config: { num_key_value_heads: 4 }, batch: 1, length: 5 },
  { name: 'head wider than hidden / heads', config: { head_dim: 6 }, batch: 1, length: 7 },
  { name: 'attention biases (Qwen 2)', config: qwen2, batch: 2, length: 6 },
  { name: 'linear rope scaling', config: { rope_scaling: { rope_type: 'linear', factor: 4 } }, batch: 1, length: 16 },
  { name: 'llama3 rope scaling', config: { rope_scaling: llama3Scaling, head_dim: 16 }, batch: 1, length: 24 },
  { name: 'attention in parts, of unequal length', config: { max_position_embeddings: 512 }, batch: 1, length: 131 },
]

const baseConfig = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  hidden_size: 16,
  intermediate_size: 24,
  num_hidden_layers: 1,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  vocab_size: 32,
  max_position_embeddings: 64,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  hidden_act: 'silu',
  tie_word_embeddings: true,
}

export interface BuiltBlock {
  readonly graph: ModelGraph
  readonly weights: BlockWeights
  readonly input: Activations
  /** f64 result of `referenceBlock`. */
  readonly expected: Float64Array
}

/** Seeded weights and input of a case, and the result by the reference. */
export function buildBlock({ config, batch, length }: BlockCase): BuiltBlock {
  const full = { ...baseConfig, ...config }
  const graph = familyFor(full).describe(full)
  const [block] = graph.blocks
  if (block === undefined) throw new RangeError('A case has one block.')
  const random = createRandom(7)
  const normal = (count: number, scale: number): Float32Array<ArrayBuffer> =>
    Float32Array.from({ length: count }, () => random.nextNormal() * scale)
  const weights: Record<string, Float32Array<ArrayBuffer>> = {}
  for (const { role, bias, inFeatures, outFeatures } of block.linears) {
    weights[role] = normal(inFeatures * outFeatures, 1.5 / Math.sqrt(inFeatures))
    if (bias !== null) weights[`${role}.bias`] = normal(outFeatures, 0.5)
  }
  for (const [role, norm] of Object.entries(block.norms)) weights[role] = normal(norm.shape[0] ?? 0, 0.2).map((gain) => gain + 1)
  const { hidden } = graph.config
  const data = normal(batch * length * hidden, 1)
  const expected = new Float64Array(data.length)
  for (let window = 0; window < batch; window++) {
    const start = window * length * hidden
    expected.set(referenceBlock(graph.config, weights, Float64Array.from(data.subarray(start, start + length * hidden))), start)
  }
  return { graph, weights, input: { data, batch, length, width: hidden }, expected }
}

export function largestDifference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Infinity
  let largest = 0
  for (let index = 0; index < expected.length; index++) {
    const difference = Math.abs((actual[index] ?? Number.NaN) - (expected[index] ?? 0))
    // written so that NaN counts as the largest
    if (!(difference <= largest)) largest = difference
  }
  return largest
}
