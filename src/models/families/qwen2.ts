import { count, flag } from '../config-reader.ts'
import type { RawConfig } from '../family.ts'
import { hasSlidingLayers, linearScalingKeys, llamaLike } from '../llama-like.ts'

/** Qwen 2 and 2.5. Queries, keys and values always have a bias; the configs say nothing about it. */
export default llamaLike({
  id: 'qwen2',
  title: 'Qwen 2',
  modelTypes: ['qwen2'],
  architectures: ['Qwen2ForCausalLM'],
  biases: () => ['q', 'k', 'v'],
  // `sliding_window` stands in every config; it is in use only when `use_sliding_window` says so, from `max_window_layers` on.
  slidingWindow: (config) => {
    if (!flag(config, 'use_sliding_window', false) || !hasSlidingLayers(config)) return null
    return Array.isArray(config['layer_types']) || firstSlidingLayer(config) < count(config, 'num_hidden_layers')
      ? count(config, 'sliding_window', 4096)
      : null
  },
  firstSlidingLayer,
  defaults: { normEps: 1e-6, maxPositions: 32_768 },
  gguf: { architecture: 'qwen2', isRopeInterleaved: false, keys: linearScalingKeys, writesRopeFrequencies: false },
})

function firstSlidingLayer(config: RawConfig): number {
  return typeof config['max_window_layers'] === 'number' ? config['max_window_layers'] : 28
}
