import type { Finding } from '../core/finding.ts'

/** Figures of an evaluation. Nats throughout; every mean carries its standard error. */
export interface Estimate {
  readonly value: number
  /** One standard error. */
  readonly error: number
}

export type ProtocolId = 'windows' | 'llama.cpp'

/**
 * What matrices take when they are measured: floats as they are, or what llama.cpp's kernels for processors make of them before they
 * multiply by a matrix in a type of ggml (8 bits, mostly). Matrices in other forms, and those that a recipe leaves alone, take floats.
 */
export type InputsId = 'float' | 'llama.cpp'

export interface FloatResult {
  /** Mean negative log-likelihood, nats a token. */
  readonly nll: number
  readonly nllError: number
  readonly perplexity: number
  readonly perplexityError: number
}

export interface KlDivergence {
  readonly mean: number
  readonly meanError: number
  readonly median: number
  /** 99.9 % quantile. */
  readonly p999: number
  readonly max: number
}

export interface RecipeEvaluation extends FloatResult {
  /** perplexity / float perplexity - 1, with its paired error over windows. */
  readonly aboveFloat: Estimate
  readonly klDivergence: KlDivergence
  /** Share of positions where float and recipe agree on the likeliest token, 0 to 1. */
  readonly sameTopToken: number
  readonly sameTopTokenError: number
}

export interface LayerResult {
  /** Checkpoint name of the weight. */
  readonly name: string
  /** Index of its block, -1 for embedding and head. */
  readonly block: number
  readonly role: string
  /** Grid as it was really used, e.g. `4bit-g32`, `Q4_0`, `F16 (fallback of Q4_0)`. */
  readonly grid: string
  readonly mse: number
  /** |W - Q|_F / |W|_F. */
  readonly relativeError: number
  readonly sqnrDb: number
  readonly cosine: number
  /** |X (W - Q)^T|^2 / |X W^T|^2 through G = X^T X of the float run; `null` where nothing ran through the model. */
  readonly outputError: number | null
  readonly bitsPerWeight: number
  /** Share of weights that are exactly 0, 0 to 1; only counted where the recipe prunes. */
  readonly sparsity?: number
  /** What did not go as asked while this matrix was quantized; absent when everything did. */
  readonly findings?: readonly Finding[]
}
