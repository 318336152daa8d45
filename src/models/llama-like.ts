import { configInvalid, count, flag, namedArchitecture, positive, text, tokenIds } from './config-reader.ts'
import type { ModelFamily, RawConfig } from './family.ts'
import type { BlockDesign, BlockSpec, LinearSpec, ModelConfig, ModelGraph } from './model-graph.ts'
import { rejectRope, ropeScaling, ropeTheta } from './rope.ts'

/** What differs between the families that share Llama's block (RMSNorm, rotary halves, grouped-query attention, SwiGLU). */
export interface LlamaLike {
  readonly id: string
  readonly title: string
  readonly modelTypes: readonly string[]
  /** `architectures` values with a language-model head. */
  readonly architectures: readonly string[]
  /** Roles of the linears that have a bias under this config. */
  biases(config: RawConfig): readonly string[]
  /** Visible keys including the current one where some layer sees fewer than all; `null` when all layers see everything. */
  slidingWindow(config: RawConfig): number | null
  /** First layer with that window in configs without `layer_types`. Default 0. */
  firstSlidingLayer?(config: RawConfig): number
  readonly defaults: { readonly normEps: number; readonly maxPositions: number }
  readonly gguf: ModelFamily['gguf']
}

const design: BlockDesign = { wiring: 'pre', norm: 'rms', attention: 'split', mlp: 'gated', position: 'rope-half' }

/** Dense decoders have fewer than 200 layers; past this the file is broken and its tensor list would fill memory. */
const maxLayers = 4096

/** Makes a family of Llama's block from what is special about it. */
export function llamaLike(family: LlamaLike): ModelFamily {
  return {
    id: family.id,
    title: family.title,
    modelTypes: family.modelTypes,
    gguf: family.gguf,
    reject: (config) => [...rejectArchitecture(config, family), ...rejectRope(config), ...rejectAttention(config)],
    notes: (config) => {
      const window = family.slidingWindow(config)
      if (window === null || window >= count(config, 'max_position_embeddings', family.defaults.maxPositions)) return []
      return [`Some layers see only the last ${window} tokens, so contexts are at most ${window} tokens here; within them nothing changes.`]
    },
    describe: (config) => describe(config, family),
  }
}

function rejectArchitecture(config: RawConfig, family: LlamaLike): readonly string[] {
  const reasons: string[] = []
  const architecture = namedArchitecture(config)
  // Early conversions spell it "LLaMAForCausalLM".
  const isKnown = family.architectures.some((known) => known.toLowerCase() === architecture?.toLowerCase())
  if (architecture !== null && !isKnown) {
    reasons.push(`config.json says ${architecture}; of this type only ${family.architectures.join(' and ')} works today.`)
  }
  const activation = config['hidden_act'] ?? 'silu'
  if (activation !== 'silu' && activation !== 'swish') {
    reasons.push(`Its MLP uses the activation ${JSON.stringify(activation)}; only "silu" works today.`)
  }
  return reasons
}

function rejectAttention(config: RawConfig): readonly string[] {
  const reasons: string[] = []
  const types = config['layer_types']
  const known = ['full_attention', 'sliding_attention']
  const unknown: unknown = Array.isArray(types) ? types.find((type) => !known.includes(String(type))) : undefined
  if (unknown !== undefined) reasons.push(`It has layers of type ${JSON.stringify(unknown)}, which are not supported.`)
  if (config['use_qk_norm'] === true || config['qk_layernorm'] === true) {
    reasons.push('It normalises queries and keys, which is not supported.')
  }
  return reasons
}

function modelConfig(config: RawConfig, family: LlamaLike): ModelConfig {
  const layers = count(config, 'num_hidden_layers')
  const hidden = count(config, 'hidden_size')
  const heads = count(config, 'num_attention_heads')
  const kvHeads = count(config, 'num_key_value_heads', heads)
  if (layers > maxLayers) throw configInvalid(`config.json: num_hidden_layers is ${layers}; at most ${maxLayers} are expected.`)
  if (heads % kvHeads !== 0) {
    throw configInvalid(`config.json: ${heads} attention heads cannot share ${kvHeads} key-value heads evenly.`)
  }
  const headDim = count(config, 'head_dim', hidden % heads === 0 ? hidden / heads : undefined)
  if (headDim % 2 !== 0) throw configInvalid(`config.json: a head of ${headDim} values cannot be rotated in pairs.`)
  const positions = count(config, 'max_position_embeddings', family.defaults.maxPositions)
  return {
    layers,
    hidden,
    heads,
    kvHeads,
    headDim,
    intermediate: count(config, 'intermediate_size'),
    vocab: count(config, 'vocab_size'),
    maxPositions: Math.min(positions, family.slidingWindow(config) ?? positions),
    positions,
    normEps: positive(config, 'rms_norm_eps', family.defaults.normEps),
    ropeTheta: ropeTheta(config),
    ropeScaling: ropeScaling(config),
    isTied: flag(config, 'tie_word_embeddings', false),
    activation: 'silu',
    bosTokenId: tokenIds(config, 'bos_token_id')[0] ?? null,
    eosTokenIds: tokenIds(config, 'eos_token_id'),
  }
}

function describe(raw: RawConfig, family: LlamaLike): ModelGraph {
  const config = modelConfig(raw, family)
  const { layers, hidden, vocab, isTied } = config
  const biases = new Set(family.biases(raw))
  const windowOf = slidingWindows(raw, family)
  return {
    familyId: family.id,
    architecture: namedArchitecture(raw) ?? text(raw, 'model_type') ?? family.id,
    config,
    design,
    embedding: { name: 'model.embed_tokens.weight', shape: [vocab, hidden] },
    finalNorm: { name: 'model.norm.weight', shape: [hidden] },
    head: isTied ? null : { name: 'lm_head.weight', shape: [vocab, hidden] },
    blocks: Array.from({ length: layers }, (_, index) => ({ ...block(index, config, biases), ...windowOf(index) })),
  }
}

/** What each layer sees, as `layer_types` says or, before transformers 4.53, as the family does. */
function slidingWindows(config: RawConfig, family: LlamaLike): (layer: number) => Pick<BlockSpec, 'window'> {
  const window = family.slidingWindow(config)
  if (window === null) return () => ({})
  const types = config['layer_types']
  const first = family.firstSlidingLayer?.(config) ?? 0
  const slides = (layer: number): boolean => (Array.isArray(types) ? types[layer] === 'sliding_attention' : layer >= first)
  return (layer) => (slides(layer) ? { window } : {})
}

function block(index: number, config: ModelConfig, biases: ReadonlySet<string>): BlockSpec {
  const { hidden, heads, kvHeads, headDim, intermediate } = config
  const prefix = `model.layers.${index}`
  const linear = (role: string, module: string, [inFeatures, outFeatures]: readonly [number, number], tap: string): LinearSpec => ({
    role,
    weight: `${prefix}.${module}.weight`,
    bias: biases.has(role) ? `${prefix}.${module}.bias` : null,
    inFeatures,
    outFeatures,
    tap,
  })
  return {
    index,
    linears: [
      linear('q', 'self_attn.q_proj', [hidden, heads * headDim], 'attnIn'),
      linear('k', 'self_attn.k_proj', [hidden, kvHeads * headDim], 'attnIn'),
      linear('v', 'self_attn.v_proj', [hidden, kvHeads * headDim], 'attnIn'),
      linear('o', 'self_attn.o_proj', [heads * headDim, hidden], 'attnOut'),
      linear('gate', 'mlp.gate_proj', [hidden, intermediate], 'mlpIn'),
      linear('up', 'mlp.up_proj', [hidden, intermediate], 'mlpIn'),
      linear('down', 'mlp.down_proj', [intermediate, hidden], 'mlpOut'),
    ],
    norms: {
      attnIn: { name: `${prefix}.input_layernorm.weight`, shape: [hidden] },
      mlpIn: { name: `${prefix}.post_attention_layernorm.weight`, shape: [hidden] },
    },
  }
}

/** Biases of Llama's configs: `attention_bias` gives all four projections one, `mlp_bias` all three. */
export function configuredBiases(config: RawConfig): readonly string[] {
  return [
    ...(flag(config, 'attention_bias', false) ? ['q', 'k', 'v', 'o'] : []),
    ...(flag(config, 'mlp_bias', false) ? ['gate', 'up', 'down'] : []),
  ]
}

/** Keys of llama.cpp's `llama` architecture beyond the common set (convert_hf_to_gguf.py, `LlamaModel`). */
export function llamaGgufKeys(config: ModelConfig): ReturnType<ModelFamily['gguf']['keys']> {
  return [['vocab_size', 'u32', config.vocab], ['rope.dimension_count', 'u32', config.headDim], ...linearScalingKeys(config)]
}

/** Linear scaling is metadata; llama3 scaling is a tensor of divisors that export writes when the family says so. */
export function linearScalingKeys(config: ModelConfig): ReturnType<ModelFamily['gguf']['keys']> {
  if (config.ropeScaling.kind !== 'linear') return []
  return [
    ['rope.scaling.type', 'string', 'linear'],
    ['rope.scaling.factor', 'f32', config.ropeScaling.factor],
  ]
}

/** Whether a config of before or after transformers 4.53 (`layer_types`) makes some layer slide. */
export function hasSlidingLayers(config: RawConfig): boolean {
  const types = config['layer_types']
  return !Array.isArray(types) || types.includes('sliding_attention')
}
