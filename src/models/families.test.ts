import { describe, expect, it } from 'vitest'
import { faultOf } from '../testing/fault-of.ts'
import type { RawConfig } from './family.ts'
import { families, familyFor } from './registry.ts'
import { expectedTensors, isKnownBuffer } from './tensors.ts'

const base: RawConfig = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  hidden_size: 2048,
  intermediate_size: 5632,
  num_hidden_layers: 22,
  num_attention_heads: 32,
  num_key_value_heads: 4,
  vocab_size: 32000,
  max_position_embeddings: 2048,
  rms_norm_eps: 1e-5,
  hidden_act: 'silu',
}
const mistral: RawConfig = { ...base, architectures: ['MistralForCausalLM'], model_type: 'mistral', max_position_embeddings: 32768 }
const qwen: RawConfig = { ...base, architectures: ['Qwen2ForCausalLM'], model_type: 'qwen2', max_position_embeddings: 32768 }

const graphOf = (config: RawConfig) => familyFor(config).describe(config)

describe('the registry', () => {
  it('is the folder', () => expect(families.map(({ id }) => id)).toEqual(['llama', 'mistral', 'qwen2']))

  it.each(families.map((family) => [family.id, family] as const))('%s answers to a type of its own', (_id, family) => {
    const others = families.filter((other) => other !== family).flatMap(({ modelTypes }) => modelTypes)
    expect(family.modelTypes.length).toBeGreaterThan(0)
    for (const type of family.modelTypes) expect(others).not.toContain(type)
  })
})

describe('windows of layers', () => {
  const windows = (config: RawConfig) => graphOf({ ...config, num_hidden_layers: 3 }).blocks.map(({ window }) => window ?? null)

  it('are all of them, those that layer_types names, or those from max_window_layers on', () => {
    expect(windows(base)).toEqual([null, null, null])
    expect(windows({ ...mistral, sliding_window: 64 })).toEqual([64, 64, 64])
    const types = ['sliding_attention', 'full_attention', 'sliding_attention']
    expect(windows({ ...mistral, sliding_window: 64, layer_types: types })).toEqual([64, null, 64])
    expect(windows({ ...qwen, sliding_window: 32, use_sliding_window: true, max_window_layers: 1 })).toEqual([null, 32, 32])
    expect(windows({ ...qwen, sliding_window: 32 })).toEqual([null, null, null])
  })

  it('leave the positions the model was made for', () => {
    expect(graphOf({ ...mistral, sliding_window: 64 }).config).toMatchObject({ maxPositions: 64, positions: 32768 })
  })
})

describe('what is computed', () => {
  it('TinyLlama: grouped queries, own head, 1,100,048,384 parameters', () => {
    const graph = graphOf(base)
    const count = expectedTensors(graph).reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0)
    expect(count).toBe(1_100_048_384)
    expect(graph.config).toMatchObject({
      headDim: 64,
      ropeTheta: 10000,
      ropeScaling: { kind: 'none' },
      isTied: false,
      eosTokenIds: [],
      bosTokenId: null,
    })
    expect(graph.head?.shape).toEqual([32000, 2048])
  })

  it('linears in the order of execution, inputs shared by tap', () => {
    const [block] = graphOf(base).blocks
    expect(block?.linears.map(({ role, tap, inFeatures, outFeatures }) => [role, tap, inFeatures, outFeatures])).toEqual([
      ['q', 'attnIn', 2048, 2048],
      ['k', 'attnIn', 2048, 256],
      ['v', 'attnIn', 2048, 256],
      ['o', 'attnOut', 2048, 2048],
      ['gate', 'mlpIn', 2048, 5632],
      ['up', 'mlpIn', 2048, 5632],
      ['down', 'mlpOut', 5632, 2048],
    ])
  })

  it('a head that is wider than its share (Mistral NeMo)', () => {
    const graph = graphOf({
      ...mistral,
      hidden_size: 5120,
      num_attention_heads: 32,
      num_key_value_heads: 8,
      head_dim: 128,
      sliding_window: null,
    })
    const [q, k, , o] = graph.blocks[0]?.linears ?? []
    expect([q?.outFeatures, k?.outFeatures, o?.inFeatures]).toEqual([4096, 1024, 4096])
  })

  it.each([
    ['Llama without', base, []],
    ['Llama with attention_bias', { ...base, attention_bias: true }, ['q', 'k', 'v', 'o']],
    ['Llama with mlp_bias', { ...base, mlp_bias: true }, ['gate', 'up', 'down']],
    ['Mistral, which has none', { ...mistral, attention_bias: true }, []],
    ['Qwen 2, always', qwen, ['q', 'k', 'v']],
  ])('biases of %s', (_name, config, roles) => {
    const linears = graphOf(config).blocks[3]?.linears ?? []
    expect(linears.filter(({ bias }) => bias !== null).map(({ role }) => role)).toEqual(roles)
    for (const { bias, weight } of linears) if (bias !== null) expect(bias).toBe(weight.replace(/weight$/, 'bias'))
  })

  it.each([
    ['none', {}, 10_000, { kind: 'none' }],
    ['the default by name', { rope_scaling: { rope_type: 'default' }, rope_theta: 5e5 }, 5e5, { kind: 'none' }],
    ['linear, old spelling', { rope_scaling: { type: 'linear', factor: 4 } }, 10_000, { kind: 'linear', factor: 4 }],
    [
      'llama3',
      {
        rope_theta: 500_000,
        rope_scaling: { rope_type: 'llama3', factor: 32, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 8192 },
      },
      500_000,
      { kind: 'llama3', factor: 32, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalMaxPositions: 8192 },
    ],
    ['rope_parameters', { rope_parameters: { rope_type: 'linear', factor: 2, rope_theta: 1e6 } }, 1e6, { kind: 'linear', factor: 2 }],
    ['null', { rope_scaling: null, rope_parameters: null }, 10_000, { kind: 'none' }],
  ])('rotary positions: %s', (_name, fields, theta, scaling) => {
    const { config } = graphOf({ ...base, ...fields })
    expect(config.ropeTheta).toBe(theta)
    expect(config.ropeScaling).toEqual(scaling)
  })

  it.each([
    ['Mistral 7B v0.1', { ...mistral, sliding_window: 4096 }, 4096],
    ['Mistral 7B v0.3', { ...mistral, sliding_window: null }, 32768],
    ['a Mistral whose layers all see everything', { ...mistral, sliding_window: 4096, layer_types: ['full_attention'] }, 32768],
    ['Qwen 2.5, where the window is off', { ...qwen, sliding_window: 4096, use_sliding_window: false, max_window_layers: 21 }, 32768],
    ['Qwen 2 with sliding upper layers', { ...qwen, sliding_window: 4096, use_sliding_window: true, max_window_layers: 21 }, 4096],
    [
      'Qwen 2 whose sliding layers are beyond the last',
      { ...qwen, sliding_window: 4096, use_sliding_window: true, max_window_layers: 22 },
      32768,
    ],
  ])('longest exact context of %s', (_name, config, positions) => {
    expect(graphOf(config).config.maxPositions).toBe(positions)
    const notes = familyFor(config).notes?.(config) ?? []
    expect(notes).toHaveLength(positions === 4096 ? 1 : 0)
  })

  it('ends of text may be one or many', () => {
    expect(graphOf({ ...base, eos_token_id: [1, 2] }).config.eosTokenIds).toEqual([1, 2])
    expect(graphOf({ ...base, eos_token_id: 2, bos_token_id: 1 }).config).toMatchObject({ eosTokenIds: [2], bosTokenId: 1 })
  })

  it('GGUF keys', () => {
    const linear = { rope_scaling: { type: 'linear', factor: 2 } }
    const keys = (config: RawConfig) =>
      familyFor(config)
        .gguf.keys(graphOf(config).config)
        .map(([key, , value]) => [key, value])
    expect(keys({ ...base, ...linear })).toEqual([
      ['vocab_size', 32000],
      ['rope.dimension_count', 64],
      ['rope.scaling.type', 'linear'],
      ['rope.scaling.factor', 2],
    ])
    expect(keys(qwen)).toEqual([])
  })

  it('buffers that old files carry', () => {
    for (const name of ['model.layers.3.self_attn.rotary_emb.inv_freq', 'h.0.attn.masked_bias', 'embeddings.position_ids'])
      expect(isKnownBuffer(name)).toBe(true)
    for (const name of ['model.layers.3.self_attn.q_proj.bias', 'my_inv_freq']) expect(isKnownBuffer(name)).toBe(false)
  })
})

describe('what is refused', () => {
  const today = 'The Llama, Mistral and Qwen 2 families work today.'
  it.each([
    [
      { model_type: 'mixtral', architectures: ['MixtralForCausalLM'], num_local_experts: 8 },
      `config.json says MixtralForCausalLM, a mixture of experts. ${today}`,
    ],
    [
      { model_type: 'bert', architectures: ['BertForMaskedLM'], type_vocab_size: 2 },
      `config.json says BertForMaskedLM, an encoder. ${today}`,
    ],
    [
      { model_type: 't5', architectures: ['T5ForConditionalGeneration'], is_encoder_decoder: true },
      `config.json says T5ForConditionalGeneration, an encoder with a decoder. ${today}`,
    ],
    [{ model_type: 'qwen2_vl', vision_config: {} }, `config.json says model_type qwen2_vl, a model of more than text. ${today}`],
    [{ model_type: 'mamba', state_size: 16 }, `config.json says model_type mamba, a model with recurrent layers. ${today}`],
    [{ model_type: 'deepseek_v2', kv_lora_rank: 512 }, `config.json says model_type deepseek_v2, a model with latent attention. ${today}`],
    [{ model_type: 'gemma2', architectures: ['Gemma2ForCausalLM'] }, `config.json says Gemma2ForCausalLM. ${today}`],
    [{}, `config.json names no architecture. ${today}`],
    [{ ...base, num_local_experts: 4 }, `config.json says LlamaForCausalLM, a mixture of experts. ${today}`],
    [
      { ...base, quantization_config: { quant_method: 'gptq' } },
      `Its weights are quantized already (GPTQ); the studio starts from F32, F16 or BF16 weights. ${today}`,
    ],
    [
      { ...base, architectures: ['LlamaForSequenceClassification'] },
      `config.json says LlamaForSequenceClassification; of this type only LlamaForCausalLM works today. ${today}`,
    ],
    [{ ...base, hidden_act: 'gelu' }, `Its MLP uses the activation "gelu"; only "silu" works today. ${today}`],
    [
      { ...base, rope_scaling: { rope_type: 'yarn', factor: 4 } },
      `Its rotary positions are scaled by "yarn"; linear and llama3 scaling work today. ${today}`,
    ],
    [
      { ...base, rope_scaling: { type: 'dynamic', factor: 4 } },
      `Its rotary positions are scaled by "dynamic"; linear and llama3 scaling work today. ${today}`,
    ],
    [{ ...base, rope_parameters: { full_attention: {} } }, `Rotary positions that differ between layer types are not supported. ${today}`],
    [
      { ...base, partial_rotary_factor: 0.5 },
      `It rotates only a part of each head (partial_rotary_factor), which is not supported. ${today}`,
    ],
    [
      { ...qwen, layer_types: ['full_attention', 'linear_attention'] },
      `It has layers of type "linear_attention", which are not supported. ${today}`,
    ],
    [{ ...base, use_qk_norm: true }, `It normalises queries and keys, which is not supported. ${today}`],
  ])('%j', async (config, message) => {
    const fault = await faultOf(async () => familyFor(config))
    expect(fault).toMatchObject({ code: 'unsupported-architecture', title: 'This architecture is not supported yet', message })
  })

  it('accepts the early spelling LLaMAForCausalLM', () => {
    expect(graphOf({ ...base, architectures: ['LLaMAForCausalLM'] }).architecture).toBe('LLaMAForCausalLM')
  })
})

describe('configs that cannot be', () => {
  it.each([
    [{ hidden_size: undefined }, 'config.json does not say hidden_size.'],
    [{ hidden_size: '2048' }, 'config.json: hidden_size is "2048"; a whole number from 1 to 16777216 is needed.'],
    [{ num_hidden_layers: 0 }, 'config.json: num_hidden_layers is 0; a whole number from 1 to 16777216 is needed.'],
    [{ num_hidden_layers: 5000 }, 'config.json: num_hidden_layers is 5000; at most 4096 are expected.'],
    [{ num_key_value_heads: 5 }, 'config.json: 32 attention heads cannot share 5 key-value heads evenly.'],
    [{ num_attention_heads: 31, num_key_value_heads: 31 }, 'config.json does not say head_dim.'],
    [{ head_dim: 65 }, 'config.json: a head of 65 values cannot be rotated in pairs.'],
    [{ rms_norm_eps: -1 }, 'config.json: rms_norm_eps is -1; a positive number is needed.'],
    [{ tie_word_embeddings: 'yes' }, 'config.json: tie_word_embeddings is "yes"; true or false is needed.'],
    [{ eos_token_id: 'x' }, 'config.json: eos_token_id is "x"; a token id or a list of them is needed.'],
    [{ rope_scaling: 'linear' }, 'config.json: rope_scaling is not an object.'],
    [{ rope_scaling: { rope_type: 'llama3', factor: 8 } }, 'config.json does not say low_freq_factor.'],
    [{ rope_scaling: { rope_type: 'linear' } }, 'config.json does not say factor.'],
  ])('%j', async (fields, message) => {
    const fault = await faultOf(async () => graphOf({ ...base, ...fields }))
    expect(fault).toMatchObject({ code: 'config-invalid', title: 'config.json cannot be used', message })
  })
})
