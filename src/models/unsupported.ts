import { namedArchitecture } from './config-reader.ts'
import type { RawConfig } from './family.ts'

/** What no family of this studio can be, found by what the config itself says; the first that fits is told. */
const kinds: readonly (readonly [test: (config: RawConfig) => boolean, remark: string])[] = [
  [
    (c) => ['num_local_experts', 'num_experts', 'n_routed_experts', 'moe_intermediate_size'].some((key) => Number(c[key] ?? 0) > 1),
    'a mixture of experts',
  ],
  [(c) => c['is_encoder_decoder'] === true, 'an encoder with a decoder'],
  [(c) => 'vision_config' in c || 'audio_config' in c, 'a model of more than text'],
  [
    (c) => ['ssm_cfg', 'state_size', 'mamba_d_state', 'linear_attn_config', 'wkv_hidden_size'].some((key) => key in c),
    'a model with recurrent layers',
  ],
  [(c) => 'kv_lora_rank' in c, 'a model with latent attention'],
  [(c) => 'type_vocab_size' in c || String(c['model_type']).endsWith('bert'), 'an encoder'],
]

/** quant_method values, as people know them. */
const quantizers: Readonly<Record<string, string>> = { bitsandbytes: 'bitsandbytes', gptq: 'GPTQ', awq: 'AWQ', fp8: 'FP8' }

/**
 * Sentences about a config that hold whatever its family: an unknown type (with what kind of model it seems to be), or
 * weights that are quantized already.
 */
export function kindRemark(config: RawConfig, isKnownType: boolean): readonly string[] {
  const type = config['model_type']
  const remark = kinds.find(([test]) => test(config))?.[1]
  const called = namedArchitecture(config) ?? (typeof type === 'string' ? `model_type ${type}` : null)
  const sentences: string[] = []
  if (called === null) sentences.push('config.json names no architecture.')
  else if (!isKnownType || remark !== undefined) sentences.push(`config.json says ${called}${remark === undefined ? '' : `, ${remark}`}.`)
  const quantization = config['quantization_config']
  if (typeof quantization === 'object' && quantization !== null) {
    const method = 'quant_method' in quantization ? String(quantization.quant_method) : 'an unnamed method'
    sentences.push(`Its weights are quantized already (${quantizers[method] ?? method}); the studio starts from F32, F16 or BF16 weights.`)
  }
  return sentences
}
