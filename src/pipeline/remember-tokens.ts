import type { Tokenizer } from '../runtime/tokenizer.ts'

/** Texts whose ids are kept: an evaluation and a calibration text, before and after an edit. */
const kept = 4

/** A tokenizer that keeps the ids of the last texts: a plan is made anew on every edit of a recipe, its texts stay. */
export function rememberTokens(tokenizer: Tokenizer): Tokenizer {
  const known = new Map<string, Int32Array<ArrayBuffer>>()
  return {
    ...tokenizer,
    encode(text) {
      const ids = known.get(text) ?? tokenizer.encode(text)
      known.delete(text)
      known.set(text, ids)
      const [oldest] = known.keys()
      if (known.size > kept && oldest !== undefined) known.delete(oldest)
      return ids
    },
  }
}
