import type { LayerResult } from '../evaluation/result.ts'
import type { Recipe } from '../quantization/recipe.ts'
import type { Catalogue, ModelSummary, TensorDescription, TensorRow } from '../rpc/contract.ts'

/** Shape of the stand-in model: a small Llama with a tied head. */
export const fakeConfig = {
  layers: 8,
  hidden: 256,
  heads: 8,
  kvHeads: 4,
  headDim: 32,
  intermediate: 768,
  vocab: 2048,
  maxPositions: 512,
  positions: 512,
  normEps: 1e-5,
  ropeTheta: 10_000,
  ropeScaling: { kind: 'none' },
  isTied: true,
  activation: 'silu',
  bosTokenId: 1,
  eosTokenIds: [2],
} as const satisfies ModelSummary['config']

const linears = (block: number): readonly (readonly [role: string, name: string, shape: readonly [number, number]])[] => [
  ['q', `model.layers.${block}.self_attn.q_proj.weight`, [256, 256]],
  ['k', `model.layers.${block}.self_attn.k_proj.weight`, [128, 256]],
  ['v', `model.layers.${block}.self_attn.v_proj.weight`, [128, 256]],
  ['o', `model.layers.${block}.self_attn.o_proj.weight`, [256, 256]],
  ['gate', `model.layers.${block}.mlp.gate_proj.weight`, [768, 256]],
  ['up', `model.layers.${block}.mlp.up_proj.weight`, [768, 256]],
  ['down', `model.layers.${block}.mlp.down_proj.weight`, [256, 768]],
]

const row = (name: string, shape: readonly number[], where: { block: number; role: string }): TensorRow => ({
  name,
  dtype: 'BF16',
  shape,
  sizeBytes: 2 * shape.reduce((product, extent) => product * extent, 1),
  block: where.block,
  role: where.role,
  isQuantizable: shape.length === 2,
})

export function fakeTensors(): TensorRow[] {
  const blocks = Array.from({ length: fakeConfig.layers }, (_, block) => [
    ...linears(block).map(([role, name, shape]) => row(name, shape, { block, role })),
    row(`model.layers.${block}.input_layernorm.weight`, [256], { block, role: 'attnIn' }),
    row(`model.layers.${block}.post_attention_layernorm.weight`, [256], { block, role: 'mlpIn' }),
  ])
  return [
    row('model.embed_tokens.weight', [2048, 256], { block: -1, role: 'embedding' }),
    ...blocks.flat(),
    row('model.norm.weight', [256], { block: -1, role: 'finalNorm' }),
  ]
}

const story =
  'Once upon a time there was a small fox who lived near a quiet river. Every morning she walked to the bridge and counted the boats. '

export function fakeSummary(originKind: ModelSummary['originKind'], name: string): ModelSummary {
  const tensors = fakeTensors()
  const sourceBytes = tensors.reduce((sum, tensor) => sum + tensor.sizeBytes, 0)
  return {
    name,
    originKind,
    fingerprint: 'f00dfeed',
    familyId: 'llama',
    architecture: 'LlamaForCausalLM',
    config: fakeConfig,
    parameters: sourceBytes / 2,
    sourceBytes,
    tensors,
    hasChatTemplate: false,
    bundledTexts:
      originKind === 'sample'
        ? [
            { id: 'calibration', name: 'Bundled stories, calibration', text: story.repeat(150) },
            { id: 'evaluation', name: 'Bundled stories', text: story.repeat(300) },
          ]
        : [],
  }
}

/** Same number in [0, 1) for the same text. */
export function noise(text: string): number {
  let hash = 2_166_136_261
  for (let index = 0; index < text.length; index += 1) hash = Math.imul(hash ^ text.charCodeAt(index), 16_777_619)
  return ((hash >>> 0) % 10_007) / 10_007
}

export function fakeDescription(name: string): TensorDescription {
  const tensor = fakeTensors().find((candidate) => candidate.name === name)
  const channels = tensor?.shape[1] ?? tensor?.shape[0] ?? 1
  const spread = 0.1 + noise(name) * 0.3
  const channelRatios = Array.from({ length: channels }, (_, channel) => 0.6 + noise(`${name}${channel}`) * 1.2)
  const loud = [0.27, 0.65, 0.81].map((place, index) => ({
    channel: Math.floor(place * channels),
    ratio: (name.includes('down') ? 40 : 6) / (index + 1),
  }))
  for (const { channel, ratio } of loud) channelRatios[channel] = ratio
  return {
    name,
    min: -spread,
    max: spread * 0.96,
    mean: 0.0003,
    standardDeviation: spread / 4,
    zeroCount: 12,
    limit: spread,
    histogram: Array.from({ length: 61 }, (_, bin) =>
      Math.floor(channels * 40 * Math.exp(-(((bin - 30) / 11) ** 2)) * (0.9 + 0.2 * noise(`${name}:${bin}`))),
    ),
    channelRatios,
    channels,
    loudestChannels: loud,
    outlierRatio: loud[0]?.ratio ?? 1,
  }
}

const base = { transform: { kind: 'none' }, rounding: { kind: 'nearest' }, allocation: { kind: 'uniform' } } as const
const recipe = (id: string, grid: Recipe['grid']): Recipe => ({ id, ...base, grid, embedding: 'float', head: 'float', overrides: [] })

const affineBits = [8, 6, 5, 4, 3, 2]
const presets: Catalogue['presets'] = [
  ...['Q8_0', 'Q4_0', 'Q4_1'].map((type) => ({
    recipe: recipe(type, { kind: 'ggml', type }),
    title: type,
    explanation: 'Blocks of 32 weights, as llama.cpp stores them',
  })),
  ...affineBits.map((bits) => ({
    recipe: recipe(`nearest-${bits}bit-g32`, { kind: 'affine', bits, group: 32, symmetric: false }),
    title: `${bits} bit, groups of 32`,
    explanation: `Affine ${bits} bit, nearest`,
  })),
]

export const fakeCatalogue: Catalogue = {
  presets,
  sets: [
    {
      id: 'first-look',
      title: 'A sensible first look',
      text: '8, 5, 4 and 3 bit, nearest',
      recipeIds: ['Q8_0', 'nearest-5bit-g32', 'nearest-4bit-g32', 'nearest-3bit-g32'],
    },
    {
      id: 'ladder',
      title: 'Bit ladder',
      text: '8, 6, 5, 4, 3, 2 bit, nearest',
      recipeIds: affineBits.map((bits) => `nearest-${bits}bit-g32`),
    },
    { id: 'ggml', title: 'ggml blocks', text: 'Q8_0, Q4_1, Q4_0', recipeIds: ['Q8_0', 'Q4_1', 'Q4_0'] },
  ],
  axes: {
    transform: [{ kind: 'none', title: 'None', explanation: 'The weights are quantized as they are.', fields: [] }],
    grid: [
      {
        kind: 'affine',
        title: 'Affine',
        explanation: 'Evenly spaced values; every group of weights has its own scale.',
        fields: [
          {
            key: 'bits',
            label: 'Bits',
            input: 'choice',
            options: [2, 3, 4, 5, 6, 7, 8].map((value) => ({ value, label: String(value) })),
            default: 4,
          },
          {
            key: 'group',
            label: 'Group',
            input: 'choice',
            options: [16, 32, 64, 128, 256, 'row', 'tensor'].map((value) => ({
              value,
              label: typeof value === 'number' ? String(value) : value === 'row' ? 'channel' : 'tensor',
            })),
            default: 32,
          },
          {
            key: 'symmetric',
            label: 'Zero point',
            input: 'choice',
            options: [
              { value: false, label: 'asymmetric' },
              { value: true, label: 'symmetric' },
            ],
            default: false,
          },
        ],
      },
      {
        kind: 'ggml',
        title: 'ggml blocks',
        explanation: 'The block types of llama.cpp, byte for byte.',
        fields: [
          {
            key: 'type',
            label: 'Type',
            input: 'choice',
            options: ['Q8_0', 'Q4_0', 'Q4_1'].map((value) => ({ value, label: value })),
            default: 'Q4_0',
          },
        ],
      },
    ],
    rounding: [{ kind: 'nearest', title: 'Nearest', explanation: 'Each weight takes the closest allowed value.', fields: [] }],
    allocation: [{ kind: 'uniform', title: 'Uniform', explanation: 'Every quantized tensor gets the same grid.', fields: [] }],
  },
  targets: [
    { id: 'gguf', title: 'GGUF', explanation: 'Runs in llama.cpp, Ollama, LM Studio and wllama.', options: [] },
    { id: 'gptq', title: 'GPTQ', explanation: 'Safetensors that vLLM and transformers read.', options: [] },
  ],
}

/** Bits a weight of the recipe's grid, scales included. */
export function fakeBits(of: Recipe): number {
  const bits = of.grid['bits']
  if (typeof bits === 'number') return bits + (typeof of.grid['group'] === 'number' ? 32 / of.grid['group'] : 0.1)
  return of.grid['type'] === 'Q8_0' ? 8.5 : of.grid['type'] === 'Q4_1' ? 5 : 4.5
}

export function fakeLayers(of: Recipe, block: number): LayerResult[] {
  const bits = fakeBits(of)
  return linears(block).map(([role, name]) => {
    const edge = block === 0 ? 3 : block === fakeConfig.layers - 1 ? 1.6 : 1
    const outputError = edge * 0.6 * 4 ** -(bits - 1) * (0.6 + noise(of.id + name))
    return {
      name,
      block,
      role,
      grid: of.id,
      mse: outputError * 1e-3,
      relativeError: Math.sqrt(outputError),
      sqnrDb: -10 * Math.log10(outputError),
      cosine: 1 - outputError / 2,
      outputError,
      bitsPerWeight: bits,
    }
  })
}
