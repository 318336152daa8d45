import * as v from 'valibot'

/** tokenizer.json as far as an export needs it (huggingface/tokenizers, `tokenizer/serialization.rs`, `models/bpe/serialization.rs`). */
const AddedToken = v.looseObject({
  id: v.pipe(v.number(), v.integer(), v.minValue(0)),
  content: v.string(),
  special: v.optional(v.boolean(), false),
})

const BpeModel = v.looseObject({
  type: v.optional(v.literal('BPE')),
  vocab: v.record(v.string(), v.pipe(v.number(), v.integer(), v.minValue(0))),
  merges: v.array(v.union([v.string(), v.tuple([v.string(), v.string()])])),
  unk_token: v.nullish(v.string()),
  byte_fallback: v.nullish(v.boolean()),
  ignore_merges: v.nullish(v.boolean()),
  dropout: v.nullish(v.number()),
  continuing_subword_prefix: v.nullish(v.string()),
  end_of_word_suffix: v.nullish(v.string()),
})

const Component = v.looseObject({ type: v.string() })

const TokenizerJson = v.looseObject({
  model: BpeModel,
  added_tokens: v.nullish(v.array(AddedToken)),
  normalizer: v.nullish(Component),
  pre_tokenizer: v.nullish(Component),
  post_processor: v.nullish(Component),
})

export type TokenizerJson = v.InferOutput<typeof TokenizerJson>
export type BpeModel = v.InferOutput<typeof BpeModel>
/** A normalizer, pre-tokenizer or post-processor: a type and its settings. */
export type Component = v.InferOutput<typeof Component>

/** The parsed file, or a sentence that says why it is not a BPE tokenizer. */
export function parseTokenizerJson(raw: unknown): TokenizerJson | string {
  const type = v.safeParse(v.looseObject({ model: v.looseObject({ type: v.string() }) }), raw)
  if (type.success && type.output.model.type !== 'BPE') {
    return `The tokenizer is of the kind ${type.output.model.type}; only BPE tokenizers can be written to GGUF today.`
  }
  const result = v.safeParse(TokenizerJson, raw)
  if (result.success) return result.output
  const [issue] = result.issues
  return `tokenizer.json cannot be read at ${v.getDotPath(issue) ?? 'its top'}: ${issue.message}.`
}

/** Members of a `Sequence`, or the one component itself; nothing for `null`. Members that are no components come as type ``. */
export function componentsOf(component: Component | null | undefined, listKey: string): Component[] {
  if (component === null || component === undefined) return []
  if (component.type !== 'Sequence') return [component]
  const members = component[listKey]
  if (!Array.isArray(members)) return [{ type: '' }]
  return members.map((member: unknown) => {
    const parsed = v.safeParse(Component, member)
    return parsed.success ? parsed.output : { type: '' }
  })
}

/** Text of a `{ "Regex": … }` pattern; `null` for anything else. */
export function regexOf(component: Component): string | null {
  const parsed = v.safeParse(v.object({ Regex: v.string() }), component['pattern'])
  return parsed.success ? parsed.output.Regex : null
}

/** Text of a `{ "String": … }` pattern; `null` for anything else. */
export function stringPatternOf(component: Component): string | null {
  const parsed = v.safeParse(v.object({ String: v.string() }), component['pattern'])
  return parsed.success ? parsed.output.String : null
}

/** Both parts of each merge, from either form of the file. `null` when a merge has no two parts. */
export function mergePairs(model: BpeModel): (readonly [string, string])[] | null {
  const pairs: (readonly [string, string])[] = []
  for (const merge of model.merges) {
    if (typeof merge !== 'string') {
      pairs.push(merge)
      continue
    }
    const at = merge.indexOf(' ')
    if (at < 1 || at === merge.length - 1) return null
    pairs.push([merge.slice(0, at), merge.slice(at + 1)])
  }
  return pairs
}
