import { throwIfAborted } from '../core/errors.ts'
import { createRandom } from '../core/random.ts'

export interface GenerateOptions {
  /** Prompt ids, the beginning-of-sequence token included where the tokenizer adds one. */
  readonly prompt: readonly number[]
  /** Tokens to add at most. */
  readonly maxTokens: number
  /** 0 takes the likeliest token each time; above, tokens are drawn from softmax(logits / temperature). */
  readonly temperature: number
  /** The same seed draws the same numbers for float and for every recipe. */
  readonly seed: number
  /** Ids that end the text; not part of the result. */
  readonly stopIds: readonly number[]
}

/**
 * Logits of the next token after `ids` were appended to what was given before; the first call has the prompt, later ones a
 * single id. [vocab]; the caller of this function keeps the cache.
 */
export type NextLogits = (ids: readonly number[], signal?: AbortSignal) => Promise<Float32Array>

/** Continues a prompt token by token; yields each new id. */
export async function* generate(next: NextLogits, options: GenerateOptions, signal?: AbortSignal): AsyncGenerator<number, void, void> {
  const random = createRandom(options.seed)
  let fresh = options.prompt
  for (let count = 0; count < options.maxTokens; count++) {
    throwIfAborted(signal)
    const logits = await next(fresh, signal)
    const id = options.temperature > 0 ? sample(logits, options.temperature, random.next()) : argMax(logits)
    if (options.stopIds.includes(id)) return
    yield id
    fresh = [id]
  }
}

/** The first of the largest, so that ties are the same everywhere. */
export function argMax(logits: Float32Array): number {
  let best = 0
  for (let id = 1; id < logits.length; id++) {
    if ((logits[id] ?? -Infinity) > (logits[best] ?? -Infinity)) best = id
  }
  return best
}

/** The token at which the cumulative probability passes `uniform` in [0, 1). */
export function sample(logits: Float32Array, temperature: number, uniform: number): number {
  const largest = logits[argMax(logits)] ?? 0
  const weights = Float64Array.from(logits, (logit) => Math.exp((logit - largest) / temperature))
  let rest = uniform * weights.reduce((sum, weight) => sum + weight, 0)
  let last = 0
  for (const [id, weight] of weights.entries()) {
    if (weight === 0) continue
    last = id
    rest -= weight
    if (rest < 0) return id
  }
  return last
}

/** Index of the first token that differs, `null` when they are equal; one that ends earlier differs at its end. */
export function firstDifference(a: readonly number[], b: readonly number[]): number | null {
  const shorter = Math.min(a.length, b.length)
  for (let index = 0; index < shorter; index++) if (a[index] !== b[index]) return index
  return a.length === b.length ? null : shorter
}
