import type { RawConfig } from '../models/family.ts'

/** config.json of a Llama small enough for any test: every size a multiple of 32, grouped heads, tied. */
export function tinyLlamaConfig(change: RawConfig = {}): RawConfig {
  return {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    hidden_size: 64,
    intermediate_size: 96,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    vocab_size: 320,
    max_position_embeddings: 128,
    rms_norm_eps: 1e-5,
    rope_theta: 10_000,
    hidden_act: 'silu',
    tie_word_embeddings: true,
    bos_token_id: 1,
    eos_token_id: 2,
    torch_dtype: 'float32',
    ...change,
  }
}
