import { positive, section, text } from './config-reader.ts'
import type { RawConfig } from './family.ts'
import type { RopeScaling } from './model-graph.ts'

/** transformers 5 writes `rope_parameters` with the base inside; older configs have `rope_theta` and `rope_scaling`. */
function parameters(config: RawConfig): RawConfig | null {
  return section(config, 'rope_parameters') ?? section(config, 'rope_scaling')
}

/** `rope_type`, or `type` in configs of before transformers 4.43; `default` when there is no scaling. */
function ropeType(config: RawConfig): string {
  const found = parameters(config)
  if (found === null) return 'default'
  return text(found, 'rope_type') ?? text(found, 'type') ?? 'default'
}

/** Sentences about rotary embeddings that cannot be computed yet. */
export function rejectRope(config: RawConfig): readonly string[] {
  const reasons: string[] = []
  const found = parameters(config)
  const perLayerType = found !== null && ('full_attention' in found || 'sliding_attention' in found)
  if (perLayerType) reasons.push('Rotary positions that differ between layer types are not supported.')
  const type = ropeType(config)
  if (!['default', 'linear', 'llama3'].includes(type)) {
    reasons.push(`Its rotary positions are scaled by "${type}"; linear and llama3 scaling work today.`)
  }
  const fraction = found?.['partial_rotary_factor'] ?? config['partial_rotary_factor'] ?? 1
  if (fraction !== 1) reasons.push('It rotates only a part of each head (partial_rotary_factor), which is not supported.')
  return reasons
}

/** Base of the rotary frequencies. 10000 when the config does not say (transformers' default). */
export function ropeTheta(config: RawConfig): number {
  const found = section(config, 'rope_parameters')
  return found?.['rope_theta'] === undefined ? positive(config, 'rope_theta', 10_000) : positive(found, 'rope_theta')
}

/** Canonical form of the scaling of a config that `rejectRope` accepts. Throws `config-invalid` when a number is missing. */
export function ropeScaling(config: RawConfig): RopeScaling {
  const found = parameters(config)
  switch (found === null ? 'default' : ropeType(config)) {
    case 'linear':
      return { kind: 'linear', factor: positive(found ?? {}, 'factor') }
    case 'llama3':
      return {
        kind: 'llama3',
        factor: positive(found ?? {}, 'factor'),
        lowFrequencyFactor: positive(found ?? {}, 'low_freq_factor'),
        highFrequencyFactor: positive(found ?? {}, 'high_freq_factor'),
        originalMaxPositions: positive(found ?? {}, 'original_max_position_embeddings'),
      }
    default:
      return { kind: 'none' }
  }
}
