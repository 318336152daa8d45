import { count } from '../config-reader.ts'
import { hasSlidingLayers, llamaGgufKeys, llamaLike } from '../llama-like.ts'

/** Mistral 7B and NeMo. The first 7B slides over 4096 tokens; later ones set the window to null. */
export default llamaLike({
  id: 'mistral',
  title: 'Mistral',
  modelTypes: ['mistral'],
  architectures: ['MistralForCausalLM'],
  biases: () => [],
  slidingWindow: (config) =>
    typeof config['sliding_window'] === 'number' && hasSlidingLayers(config) ? count(config, 'sliding_window') : null,
  defaults: { normEps: 1e-6, maxPositions: 131_072 },
  gguf: { architecture: 'llama', isRopeInterleaved: true, keys: llamaGgufKeys, writesRopeFrequencies: true },
})
