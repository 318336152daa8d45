import type { RawConfig } from '../../models/family.ts'
import type { GgufSettings } from './settings.ts'

/** What the tensors of the file say beside its settings. */
export interface TensorFacts {
  readonly vocab: number
  /** There is no matrix for the head. */
  readonly isTied: boolean
  /** Divisors of the rotary frequencies (`rope_freqs.weight`), `null` where there are none. */
  readonly ropeDivisors: Float32Array | null
}

/**
 * config.json of the model in a GGUF file, in the terms of transformers: the inverse of what convert_hf_to_gguf.py writes
 * (gguf.md section 7). Throws `config-invalid` for a setting that is missing or of another kind.
 */
export function configOf(settings: GgufSettings, facts: TensorFacts): RawConfig {
  const architecture = settings.required('general.architecture', settings.text('general.architecture'))
  const number = (key: string): number | null => settings.number(`${architecture}.${key}`)
  const required = (key: string): number => settings.required(`${architecture}.${key}`, number(key))
  const heads = required('attention.head_count')
  const theta = number('rope.freq_base') ?? 10_000
  const headDim = number('attention.key_length') ?? required('embedding_length') / heads
  const scaling = ropeScaling(settings, { architecture, theta, headDim, divisors: facts.ropeDivisors })
  const eos = settings.number('tokenizer.ggml.eos_token_id')
  const bos = settings.number('tokenizer.ggml.bos_token_id')
  return {
    model_type: architecture,
    hidden_size: required('embedding_length'),
    intermediate_size: required('feed_forward_length'),
    num_hidden_layers: required('block_count'),
    num_attention_heads: heads,
    num_key_value_heads: number('attention.head_count_kv') ?? heads,
    head_dim: headDim,
    max_position_embeddings: required('context_length'),
    rms_norm_eps: rounded(required('attention.layer_norm_rms_epsilon')),
    rope_theta: theta,
    ...(scaling === null ? {} : { rope_scaling: scaling }),
    hidden_act: 'silu',
    vocab_size: facts.vocab,
    tie_word_embeddings: facts.isTied,
    ...(bos === null ? {} : { bos_token_id: bos }),
    ...(eos === null ? {} : { eos_token_id: eos }),
  }
}

/** A decimal number that was stored in f32: 1e-5, not 9.999999747378752e-06. */
function rounded(value: number): number {
  return Number(value.toPrecision(7))
}

interface RopeFacts {
  readonly architecture: string
  readonly theta: number
  readonly headDim: number
  readonly divisors: Float32Array | null
}

function ropeScaling(settings: GgufSettings, { architecture, theta, headDim, divisors }: RopeFacts): Record<string, unknown> | null {
  if (divisors !== null) return llama3Scaling(settings, { theta, headDim, divisors })
  const type = settings.text(`${architecture}.rope.scaling.type`) ?? 'none'
  const factor = settings.number(`${architecture}.rope.scaling.factor`) ?? settings.number(`${architecture}.rope.scale_linear`) ?? 1
  if (type === 'none' || factor === 1) return null
  // Other kinds are refused by the family, by their name.
  return { rope_type: type, factor }
}

/** Settings of Llama 3.1 and later; the files hold the divisors that follow from them. */
const llama3 = { lowFrequencyFactor: 1, highFrequencyFactor: 4, originalMaxPositions: 8192 }

/** The scaling whose divisors these are. Throws `config-invalid` when they are not those of Llama 3. */
function llama3Scaling(
  settings: GgufSettings,
  { theta, headDim, divisors }: { readonly theta: number; readonly headDim: number; readonly divisors: Float32Array },
): Record<string, unknown> {
  const factor = Number(divisors.reduce((largest, value) => Math.max(largest, value), 1).toPrecision(6))
  const { lowFrequencyFactor, highFrequencyFactor, originalMaxPositions } = llama3
  const fits = divisors.every((divisor, index) => {
    const wavelength = 2 * Math.PI * theta ** ((2 * index) / headDim)
    const smooth = (originalMaxPositions / wavelength - lowFrequencyFactor) / (highFrequencyFactor - lowFrequencyFactor)
    const share = Math.min(1, Math.max(0, smooth))
    return Math.abs(divisor * ((1 - share) / factor + share) - 1) < 1e-3
  })
  if (!fits) throw settings.invalid('rope_freqs.weight scales positions in a way that is not that of Llama 3.')
  return {
    rope_type: 'llama3',
    factor,
    low_freq_factor: lowFrequencyFactor,
    high_freq_factor: highFrequencyFactor,
    original_max_position_embeddings: originalMaxPositions,
  }
}
