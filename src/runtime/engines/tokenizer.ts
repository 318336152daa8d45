import { Tokenizer as LibraryTokenizer } from '@huggingface/tokenizers'
import { StudioError } from '../../core/errors.ts'
import type { Tokenizer } from '../tokenizer.ts'

export interface TokenizerSource {
  /** Parsed tokenizer.json. */
  readonly tokenizerJson: Readonly<Record<string, unknown>>
  /** Parsed tokenizer_config.json; empty when there is none. */
  readonly tokenizerConfig: Readonly<Record<string, unknown>>
}

/** A tokenizer from its files. Throws `StudioError` `tokenizer-invalid` when they do not describe one that can be run. */
export function createTokenizer({ tokenizerJson, tokenizerConfig }: TokenizerSource): Tokenizer {
  const library = construct(tokenizerJson, tokenizerConfig)
  return {
    vocabularySize: library.get_vocab().size,
    bosTokenId: leadingToken(library, tokenizerConfig),
    encode: (text) => (text === '' ? new Int32Array(0) : checkedIds(library.encode(text, { add_special_tokens: false }).ids)),
    // no clean-up: "do n't" must come out as it went in
    decode: (ids) => (ids.length === 0 ? '' : library.decode([...ids], { clean_up_tokenization_spaces: false })),
  }
}

function construct(json: TokenizerSource['tokenizerJson'], config: TokenizerSource['tokenizerConfig']): LibraryTokenizer {
  try {
    return new LibraryTokenizer(json, config)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw invalid(`tokenizer.json does not describe a tokenizer that can be run here: ${reason}`, cause)
  }
}

/**
 * The id that the tokenizer puts in front of every text. `add_bos_token` of tokenizer_config.json overrules the template of
 * tokenizer.json, as in transformers' fast tokenizers.
 */
function leadingToken(library: LibraryTokenizer, config: TokenizerSource['tokenizerConfig']): number | null {
  const isAdded = config['add_bos_token']
  if (isAdded === false) return null
  const plain = library.encode('a', { add_special_tokens: false }).ids
  const marked = library.encode('a').ids
  const [first] = marked
  const isInFront = marked.length > plain.length && plain.some((id, index) => id !== marked[index])
  if (first !== undefined && isInFront) return first
  if (isAdded !== true) return null
  const token = config['bos_token']
  const content = typeof token === 'object' && token !== null ? (token as { content?: unknown }).content : token
  return typeof content === 'string' ? (library.token_to_id(content) ?? null) : null
}

/** The library yields `undefined` for a piece that is neither in the vocabulary nor has an unknown token to stand for it. */
function checkedIds(ids: readonly (number | undefined)[]): Int32Array<ArrayBuffer> {
  const checked = new Int32Array(ids.length)
  for (const [index, id] of ids.entries()) {
    if (id === undefined) throw invalid('tokenizer.json has no token for a part of the text and no unknown token either.', undefined)
    checked[index] = id
  }
  return checked
}

function invalid(message: string, cause: unknown): StudioError {
  return new StudioError(
    'tokenizer-invalid',
    { title: 'The tokenizer cannot be used', message, remedy: 'Give the tokenizer.json that belongs to this model.' },
    { cause },
  )
}
