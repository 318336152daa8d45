import type { TokenizerFiles } from '../../checkpoint/checkpoint.ts'
import type { GgufEntry } from '../../formats/gguf/types.ts'
import type { RawConfig } from '../../models/family.ts'
import { preTokenizerOf } from './pre-tokenizers.ts'
import { componentsOf, mergePairs, parseTokenizerJson, stringPatternOf, type TokenizerJson } from './tokenizer-json.ts'

/** The `tokenizer.*` metadata, or a sentence that says why this tokenizer cannot be written. */
export type TokenizerMetadata = { readonly entries: readonly GgufEntry[]; readonly notes: readonly string[] } | { readonly refusal: string }

export interface TokenizerFacts {
  readonly files: TokenizerFiles
  readonly rawConfig: RawConfig
  /** Rows of the embedding; ids without a token are filled. */
  readonly vocabularySize: number
}

/** `llama_token_type` in llama.h. */
const tokenTypes = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const

/** Scores the converter gives to tokens that text never merges into. */
const unusedScore = -10_000
const addedScore = -1000

/** `▁`, which stands for a space in SentencePiece vocabularies. */
const lowerBar = '\u2581'

/**
 * Keys as `convert_hf_to_gguf.py` writes them (with gguf-py `vocab.py`; read by `llama-vocab.cpp`).
 * Two kinds: byte-level BPE is llama.cpp's "gpt2" with merges and a `pre`; BPE with byte fallback comes from
 * SentencePiece and is its "llama", which merges by score instead of by rank.
 */
export function tokenizerMetadata(facts: TokenizerFacts): TokenizerMetadata {
  const tokenizer = parseTokenizerJson(facts.files.tokenizerJson)
  if (typeof tokenizer === 'string') return { refusal: tokenizer }
  const { model } = tokenizer
  if ((model.continuing_subword_prefix ?? '') !== '' || (model.end_of_word_suffix ?? '') !== '' || (model.dropout ?? 0) !== 0) {
    return { refusal: 'The tokenizer marks the inside or end of words, or merges at random; llama.cpp has neither.' }
  }
  const table = tokenTable(tokenizer, facts.vocabularySize)
  if ('refusal' in table) return table
  const kind = model.byte_fallback === true ? sentencePiece(tokenizer, table) : byteLevel(tokenizer, table)
  if ('refusal' in kind) return kind
  return { entries: [...kind.entries, ...specialEntries(tokenizer, facts)], notes: kind.notes }
}

interface TokenTable {
  readonly tokens: string[]
  readonly types: number[]
}

/** Tokens by id with their types; ids that no token has become `[PADi]`, unused, as the converter does. */
function tokenTable(tokenizer: TokenizerJson, vocabularySize: number): TokenTable | { refusal: string } {
  const tokens = Array.from({ length: vocabularySize }, (_, id) => `[PAD${id}]`)
  const types = new Array<number>(vocabularySize).fill(tokenTypes.unused)
  const isBytesAsText = tokenizer.model.byte_fallback === true
  for (const [token, id] of Object.entries(tokenizer.model.vocab)) {
    if (id >= vocabularySize) return outside(token, id, vocabularySize)
    tokens[id] = token
    types[id] = isBytesAsText && /^<0x[0-9A-F]{2}>$/.test(token) ? tokenTypes.byte : tokenTypes.normal
  }
  for (const { id, content, special } of tokenizer.added_tokens ?? []) {
    if (id >= vocabularySize) return outside(content, id, vocabularySize)
    tokens[id] = content
    types[id] = special || looksSpecial(content) ? tokenTypes.control : tokenTypes.userDefined
  }
  const unknown = tokenizer.model.unk_token
  const unknownId = unknown === null || unknown === undefined ? -1 : tokens.indexOf(unknown)
  if (isBytesAsText && unknownId >= 0) types[unknownId] = tokenTypes.unknown
  return { tokens, types }
}

function outside(token: string, id: number, vocabularySize: number): { refusal: string } {
  return { refusal: `The tokenizer gives "${token}" the id ${id}, but the embedding has ${vocabularySize} rows.` }
}

/** `does_token_look_special` of the converter: control tokens that a repository forgot to mark. */
function looksSpecial(content: string): boolean {
  return (
    /^<\|.*\|>$/.test(content) || /^<｜.*｜>$/.test(content) || content === '<pad>' || content === '<mask>' || /^<unused\d+>$/.test(content)
  )
}

function sentencePiece(tokenizer: TokenizerJson, table: TokenTable): TokenizerMetadata {
  const prefix = spacePrefix(tokenizer)
  if (prefix === null) {
    return { refusal: 'The tokenizer has byte fallback but does not write spaces as SentencePiece does; llama.cpp has no such kind.' }
  }
  const pairs = mergePairs(tokenizer.model)
  if (pairs === null) return { refusal: 'tokenizer.json holds a merge that does not have two parts.' }
  return {
    entries: [
      text('tokenizer.ggml.model', 'llama'),
      text('tokenizer.ggml.pre', 'default'),
      { key: 'tokenizer.ggml.tokens', value: { type: 'array', of: 'string', value: table.tokens } },
      { key: 'tokenizer.ggml.scores', value: { type: 'array', of: 'f32', value: scoresFromMerges(table, pairs) } },
      { key: 'tokenizer.ggml.token_type', value: { type: 'array', of: 'i32', value: table.types } },
      { key: 'tokenizer.ggml.add_space_prefix', value: { type: 'bool', value: prefix } },
    ],
    notes: [],
  }
}

/**
 * Scores that make llama.cpp's score-driven merging follow the merge ranks: it joins the neighbours whose union scores
 * highest, leftmost first, so a token's score is minus its rank among the tokens that merges produce, the first merge
 * counting. This gives back SentencePiece's own scores where it wrote the merges. Tokens that no merge produces follow.
 */
function scoresFromMerges(table: TokenTable, pairs: readonly (readonly [string, string])[]): number[] {
  const ranks = new Map<string, number>()
  for (const [left, right] of pairs) {
    const joined = left + right
    if (!ranks.has(joined)) ranks.set(joined, ranks.size)
  }
  let next = ranks.size
  return table.tokens.map((token, position) => {
    const type = table.types[position]
    if (type === tokenTypes.normal) return 0 - (ranks.get(token) ?? next++)
    if (type === tokenTypes.unused) return unusedScore
    return type === tokenTypes.userDefined ? addedScore : 0
  })
}

/** Whether a space goes in front of a text; `null` when spaces do not become `▁`. */
function spacePrefix(tokenizer: TokenizerJson): boolean | null {
  const normalizers = componentsOf(tokenizer.normalizer, 'normalizers')
  const splitters = componentsOf(tokenizer.pre_tokenizer, 'pretokenizers')
  let isPrefixed = false
  let isReplaced = false
  for (const step of normalizers) {
    if (step.type === 'Prepend' && step['prepend'] === lowerBar) isPrefixed = true
    else if (step.type === 'Replace' && stringPatternOf(step) === ' ' && step['content'] === lowerBar) isReplaced = true
    else return null
  }
  for (const step of splitters) {
    if (step.type !== 'Metaspace' || step['replacement'] !== lowerBar) return null
    isReplaced = true
    isPrefixed ||= step['prepend_scheme'] === undefined ? step['add_prefix_space'] !== false : step['prepend_scheme'] !== 'never'
  }
  return isReplaced ? isPrefixed : null
}

function byteLevel(tokenizer: TokenizerJson, table: TokenTable): TokenizerMetadata {
  const pre = preTokenizerOf(tokenizer)
  if ('refusal' in pre) return pre
  const normalizers = componentsOf(tokenizer.normalizer, 'normalizers').map((step) => step.type)
  if (normalizers.some((type) => type !== 'NFC')) {
    return { refusal: `The tokenizer rewrites text first (${normalizers.join(', ')}); llama.cpp does not, and would read it differently.` }
  }
  const pairs = mergePairs(tokenizer.model)
  if (pairs === null) return { refusal: 'tokenizer.json holds a merge that does not have two parts.' }
  const merges = pairs.map((pair) => pair.map((part) => part.replaceAll(' ', '\u0120')).join(' '))
  return {
    entries: [
      text('tokenizer.ggml.model', 'gpt2'),
      text('tokenizer.ggml.pre', pre.pre),
      { key: 'tokenizer.ggml.tokens', value: { type: 'array', of: 'string', value: table.tokens } },
      { key: 'tokenizer.ggml.token_type', value: { type: 'array', of: 'i32', value: table.types } },
      { key: 'tokenizer.ggml.merges', value: { type: 'array', of: 'string', value: merges } },
    ],
    notes: normalizers.length === 0 ? [] : ['The tokenizer composes accented letters (NFC) first; llama.cpp takes text as it is.'],
  }
}

/** Special ids, whether BOS and EOS are added, and the chat template. */
function specialEntries(tokenizer: TokenizerJson, { files, rawConfig, vocabularySize }: TokenizerFacts): GgufEntry[] {
  const idOf = (token: string): number | undefined =>
    tokenizer.added_tokens?.find((added) => added.content === token)?.id ?? tokenizer.model.vocab[token]
  const resolve = (kind: 'bos' | 'eos' | 'unk' | 'pad'): number | undefined => {
    const named = files.tokenizerConfig[`${kind}_token`]
    const content = typeof named === 'object' && named !== null && 'content' in named ? named.content : named
    const fallback = kind === 'unk' ? undefined : rawConfig[`${kind}_token_id`]
    const first: unknown = Array.isArray(fallback) ? fallback[0] : fallback
    const id = (typeof content === 'string' ? idOf(content) : undefined) ?? first
    return typeof id === 'number' && Number.isInteger(id) && id >= 0 && id < vocabularySize ? id : undefined
  }
  const unknownOfModel = tokenizer.model.unk_token
  const ids = {
    bos_token_id: resolve('bos'),
    eos_token_id: resolve('eos'),
    unknown_token_id: resolve('unk') ?? (typeof unknownOfModel === 'string' ? idOf(unknownOfModel) : undefined),
    padding_token_id: resolve('pad'),
  }
  const entries: GgufEntry[] = []
  for (const [key, id] of Object.entries(ids)) {
    if (id !== undefined) entries.push({ key: `tokenizer.ggml.${key}`, value: { type: 'u32', value: id } })
  }
  entries.push({
    key: 'tokenizer.ggml.add_bos_token',
    value: { type: 'bool', value: addsToken('bos', ids.bos_token_id, tokenizer, files) },
  })
  entries.push({
    key: 'tokenizer.ggml.add_eos_token',
    value: { type: 'bool', value: addsToken('eos', ids.eos_token_id, tokenizer, files) },
  })
  if (files.chatTemplate !== null && files.chatTemplate !== '') entries.push(text('tokenizer.chat_template', files.chatTemplate))
  return entries
}

/**
 * Whether the tokenizer puts BOS in front (EOS behind): what tokenizer_config.json says, else what the template of the
 * post-processor does. Always written, because llama.cpp's defaults differ by `pre`.
 */
function addsToken(kind: 'bos' | 'eos', id: number | undefined, tokenizer: TokenizerJson, files: TokenizerFiles): boolean {
  if (id === undefined) return false
  const stated = files.tokenizerConfig[`add_${kind}_token`]
  if (typeof stated === 'boolean') return stated
  return componentsOf(tokenizer.post_processor, 'processors').some((step) => {
    if (step.type !== 'TemplateProcessing' || !Array.isArray(step['single'])) return false
    const single: unknown[] = step['single']
    const edge: unknown = kind === 'bos' ? single[0] : single.at(-1)
    if (typeof edge !== 'object' || edge === null || !('SpecialToken' in edge)) return false
    const special = edge.SpecialToken
    if (typeof special !== 'object' || special === null || !('id' in special) || typeof special.id !== 'string') return false
    const added = tokenizer.added_tokens?.find((token) => token.content === special.id)?.id ?? tokenizer.model.vocab[special.id]
    return added === id
  })
}

function text(key: string, value: string): GgufEntry {
  return { key, value: { type: 'string', value } }
}
