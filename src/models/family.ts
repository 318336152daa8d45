import type { ModelConfig, ModelGraph } from './model-graph.ts'

/** The parsed config.json; untrusted. */
export type RawConfig = Readonly<Record<string, unknown>>

/** How a family is written to GGUF; layouts in llama.cpp's terms. */
export interface GgufFamily {
  /** `general.architecture`. */
  readonly architecture: string
  /** llama.cpp rotates interleaved pairs for this architecture: rows of q and k (weights and biases) are permuted on export. */
  readonly isRopeInterleaved: boolean
  /** Keys beyond the common set, without the architecture prefix. */
  keys(config: ModelConfig): readonly (readonly [key: string, type: 'u32' | 'f32' | 'string' | 'bool', value: number | string | boolean])[]
  /** Whether `rope_freqs.weight` is written for llama3 scaling. */
  readonly writesRopeFrequencies: boolean
}

/**
 * A model family is data: one file in `families/`, default export. What can be derived (tensor list, taps, quantization
 * order, GGUF names, sizes) is derived by shared code from the graph.
 */
export interface ModelFamily {
  readonly id: string
  /** As in "The Llama, Mistral and Qwen 2 families work today." */
  readonly title: string
  /** config.json `model_type` values. */
  readonly modelTypes: readonly string[]
  /** Sentences, each naming one thing this family cannot do yet; empty when the config is supported. */
  reject(config: RawConfig): readonly string[]
  /** Sentences about what is handled but worth knowing; most families have none. */
  notes?(config: RawConfig): readonly string[]
  /** Fills defaults and names tensors. Only called when `reject` is empty. Throws `StudioError` `config-invalid`. */
  describe(config: RawConfig): ModelGraph
  readonly gguf: GgufFamily
}
