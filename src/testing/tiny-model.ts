import { bytesPerElement, type FloatDType } from '../core/dtype.ts'
import { narrowToBfloat16, narrowToHalf } from '../core/float16.ts'
import { createRandom, type Random } from '../core/random.ts'
import { safetensorsLayout } from '../formats/safetensors/layout.ts'
import type { ByteSource } from '../io/byte-source.ts'
import { memorySource } from '../io/memory-source.ts'
import { familyFor } from '../models/registry.ts'
import { expectedTensors } from '../models/tensors.ts'

export interface TinyModelOptions {
  /** Added to, or replacing fields of, a two-layer Llama config (hidden 16, 4 heads, 2 key-value heads, 32 tokens). */
  readonly config?: Readonly<Record<string, unknown>>
  /** Default F32. */
  readonly dtype?: FloatDType
  /** Number of weight files; more than one gets an index. Default 1. */
  readonly shards?: number
  /** Weights are a function of it. Default 1. */
  readonly seed?: number
  /** Tensors that belong to no graph: name to shape. */
  readonly extraTensors?: Readonly<Record<string, readonly number[]>>
  /** Added to tokenizer_config.json: a chat template, for instance. */
  readonly tokenizerConfig?: Readonly<Record<string, unknown>>
  /** Tensors to leave out. */
  readonly without?: readonly string[]
}

const baseConfig = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  hidden_size: 16,
  intermediate_size: 24,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  vocab_size: 32,
  max_position_embeddings: 64,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  hidden_act: 'silu',
  tie_word_embeddings: true,
  bos_token_id: 1,
  eos_token_id: 2,
}

/** A model small enough for any test, whole with tokenizer, as the bytes of its files by name. Deterministic. */
export function tinyModelFiles(options: TinyModelOptions = {}): Map<string, Uint8Array<ArrayBuffer>> {
  const { dtype = 'F32', shards = 1, seed = 1, without = [] } = options
  const config = { ...baseConfig, ...options.config }
  const graph = familyFor(config).describe(config)
  const extra = Object.entries(options.extraTensors ?? {}).map(([name, shape]) => ({ name, shape }))
  const specs = [...expectedTensors(graph), ...extra].filter(({ name }) => !without.includes(name))
  const files = new Map<string, Uint8Array<ArrayBuffer>>()
  files.set('config.json', json(config))
  files.set('tokenizer.json', json(tokenizer(config.vocab_size)))
  const tokenizerConfig = { tokenizer_class: 'PreTrainedTokenizerFast', bos_token: '<s>', eos_token: '</s>', ...options.tokenizerConfig }
  files.set('tokenizer_config.json', json(tokenizerConfig))
  const random = createRandom(seed)
  const fileOf: Record<string, string> = {}
  for (let shard = 0; shard < shards; shard++) {
    const name = shards === 1 ? 'model.safetensors' : `model-${padded(shard + 1)}-of-${padded(shards)}.safetensors`
    const mine = specs.filter((_, i) => Math.floor((i * shards) / specs.length) === shard)
    for (const tensor of mine) fileOf[tensor.name] = name
    const layout = safetensorsLayout(
      mine.map((tensor) => ({ ...tensor, dtype })),
      { format: 'pt' },
    )
    const bytes = new Uint8Array(layout.totalBytes)
    bytes.set(layout.headerBytes)
    for (const { name: tensor, start, sizeBytes } of layout.tensors) bytes.set(weights(tensor, sizeBytes, dtype, random), start)
    files.set(name, bytes)
  }
  if (shards > 1) files.set('model.safetensors.index.json', json({ metadata: {}, weight_map: fileOf }))
  return files
}

/** The same as sources, ready for `openCheckpoint`. */
export function tinyModel(options: TinyModelOptions = {}): Map<string, ByteSource> {
  return asSources(tinyModelFiles(options))
}

export function asSources(files: ReadonlyMap<string, Uint8Array>): Map<string, ByteSource> {
  return new Map([...files].map(([path, bytes]) => [path, memorySource(path, bytes)]))
}

/** A byte-level BPE tokenizer without merges: letters a to z after three special tokens. */
function tokenizer(vocabSize: number): unknown {
  const special = ['<unk>', '<s>', '</s>']
  const letters = Array.from('abcdefghijklmnopqrstuvwxyz').slice(0, Math.max(0, vocabSize - special.length))
  return {
    version: '1.0',
    added_tokens: special.map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: null,
    decoder: { type: 'ByteLevel' },
    model: {
      type: 'BPE',
      unk_token: '<unk>',
      vocab: Object.fromEntries([...special, ...letters].map((token, id) => [token, id])),
      merges: [],
    },
  }
}

function weights(name: string, sizeBytes: number, dtype: FloatDType, random: Random): Uint8Array {
  const isNorm = name.includes('norm')
  const values = Float32Array.from(
    { length: sizeBytes / bytesPerElement[dtype] },
    () => (isNorm ? 1 : 0) + (random.next() - 0.5) * (isNorm ? 0.1 : 0.5),
  )
  const stored = dtype === 'F32' ? values : dtype === 'F16' ? narrowToHalf(values) : narrowToBfloat16(values)
  return new Uint8Array(stored.buffer)
}

function json(value: unknown): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(value))
}

function padded(value: number): string {
  return String(value).padStart(5, '0')
}
