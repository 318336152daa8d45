import { configuredBiases, llamaGgufKeys, llamaLike } from '../llama-like.ts'

/** Llama 1 to 3, TinyLlama, SmolLM, SmolLM2, Vicuna, Yi and everything else that calls itself `llama`. */
export default llamaLike({
  id: 'llama',
  title: 'Llama',
  modelTypes: ['llama'],
  architectures: ['LlamaForCausalLM'],
  biases: configuredBiases,
  slidingWindow: () => null,
  defaults: { normEps: 1e-6, maxPositions: 2048 },
  gguf: { architecture: 'llama', isRopeInterleaved: true, keys: llamaGgufKeys, writesRopeFrequencies: true },
})
