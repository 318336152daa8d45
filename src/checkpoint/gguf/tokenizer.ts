import { StudioError } from '../../core/errors.ts'
import { preTokenizers } from '../../formats/gguf/pre-tokenizers.ts'
import type { TokenizerFiles } from '../checkpoint.ts'
import { mergesFromScores } from './merges.ts'
import type { GgufSettings } from './settings.ts'

/** `llama_token_type` in llama.h. */
const tokenTypes = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const

/** `▁`, which stands for a space in SentencePiece vocabularies. */
const lowerBar = '\u2581'

/** Other names of the same cuts (`llama-vocab.cpp`). */
const aliases: Readonly<Record<string, string>> = {
  'llama-v3': 'llama-bpe',
  llama3: 'llama-bpe',
  gpt2: 'gpt-2',
  starcoder: 'smollm',
  'deepseek-r1-qwen': 'qwen2',
}

interface Vocabulary {
  readonly tokens: readonly string[]
  readonly types: readonly number[]
}

/**
 * tokenizer.json and tokenizer_config.json of the vocabulary in a GGUF file, so that its text becomes the same tokens.
 * Throws `config-invalid` for lists that are missing or of different lengths, `tokenizer-invalid` for kinds of tokenizer that
 * the studio does not know.
 */
export function tokenizerOf(settings: GgufSettings): TokenizerFiles {
  const model = settings.required('tokenizer.ggml.model', settings.text('tokenizer.ggml.model'))
  const tokens = settings.required('tokenizer.ggml.tokens', settings.texts('tokenizer.ggml.tokens'))
  const types = settings.numbers('tokenizer.ggml.token_type') ?? tokens.map(() => tokenTypes.normal)
  if (types.length !== tokens.length) throw settings.invalid(`There are ${tokens.length} tokens and ${types.length} types of tokens.`)
  const vocabulary = { tokens, types }
  const parts = model === 'llama' ? sentencePiece(settings, vocabulary) : byteLevel(settings, model, vocabulary)
  const ids = Object.fromEntries(
    ['bos', 'eos', 'unknown', 'padding'].map((kind) => [kind, settings.number(`tokenizer.ggml.${kind}_token_id`)]),
  )
  const tokenAt = (kind: string): string | undefined => tokens[ids[kind] ?? -1]
  const addsBos = settings.flag('tokenizer.ggml.add_bos_token') ?? parts.addsBos
  const addsEos = settings.flag('tokenizer.ggml.add_eos_token') ?? false
  const named = { bos_token: tokenAt('bos'), eos_token: tokenAt('eos'), unk_token: tokenAt('unknown'), pad_token: tokenAt('padding') }
  const template = settings.text('tokenizer.chat_template')
  return {
    tokenizerJson: {
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: addedTokens(vocabulary),
      normalizer: parts.normalizer,
      pre_tokenizer: parts.preTokenizer,
      post_processor: postProcessor({ addsBos, addsEos, bos: tokenAt('bos'), eos: tokenAt('eos') }, tokens),
      decoder: parts.decoder,
      model: parts.model,
    },
    tokenizerConfig: {
      tokenizer_class: 'PreTrainedTokenizerFast',
      add_bos_token: addsBos,
      add_eos_token: addsEos,
      ...Object.fromEntries(Object.entries(named).filter(([, token]) => token !== undefined)),
      ...(template === null ? {} : { chat_template: template }),
    },
    generationConfig: null,
    chatTemplate: template,
  }
}

interface TokenizerParts {
  readonly model: object
  readonly normalizer: object | null
  readonly preTokenizer: object | null
  readonly decoder: object
  /** Where the file does not say. */
  readonly addsBos: boolean
}

function bpe({ tokens, types }: Vocabulary, merges: readonly string[], rest: object): object {
  const vocab = Object.fromEntries(tokens.flatMap((token, id) => (types[id] === tokenTypes.unused ? [] : [[token, id]])))
  return { type: 'BPE', dropout: null, continuing_subword_prefix: null, end_of_word_suffix: null, ...rest, vocab, merges }
}

function sentencePiece(settings: GgufSettings, vocabulary: Vocabulary): TokenizerParts {
  const scores = settings.required('tokenizer.ggml.scores', settings.numbers('tokenizer.ggml.scores'))
  if (scores.length !== vocabulary.tokens.length) {
    throw settings.invalid(`There are ${vocabulary.tokens.length} tokens and ${scores.length} scores.`)
  }
  const isMerged = (id: number): boolean => vocabulary.types[id] === tokenTypes.normal
  const hasPrefix = settings.flag('tokenizer.ggml.add_space_prefix') ?? true
  const unknown = vocabulary.types.indexOf(tokenTypes.unknown)
  const replace = (from: string, to: string): object => ({ type: 'Replace', pattern: { String: from }, content: to })
  return {
    model: bpe(vocabulary, mergesFromScores(vocabulary.tokens, scores, isMerged), {
      unk_token: vocabulary.tokens[unknown] ?? null,
      fuse_unk: true,
      byte_fallback: true,
    }),
    normalizer: {
      type: 'Sequence',
      normalizers: [...(hasPrefix ? [{ type: 'Prepend', prepend: lowerBar }] : []), replace(' ', lowerBar)],
    },
    preTokenizer: null,
    decoder: {
      type: 'Sequence',
      decoders: [
        replace(lowerBar, ' '),
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        ...(hasPrefix ? [{ type: 'Strip', content: ' ', start: 1, stop: 0 }] : []),
      ],
    },
    addsBos: true,
  }
}

function byteLevel(settings: GgufSettings, model: string, vocabulary: Vocabulary): TokenizerParts {
  const named = settings.text('tokenizer.ggml.pre') ?? 'default'
  const pre = aliases[named] ?? named
  const signature = preTokenizers.find((each) => each.pre === pre)
  if (model !== 'gpt2' || signature === undefined) {
    const known = [...new Set(preTokenizers.map((each) => each.pre))].join(', ')
    const what = model === 'gpt2' ? `cuts text as "${named}"; of its kind ${known} are known` : `is of the kind "${model}"`
    throw new StudioError('tokenizer-invalid', {
      title: 'The tokenizer of this GGUF file is not known',
      message: `Its tokenizer ${what}. Under another one text would be read differently.`,
      remedy: 'Open the folder that the file was made of, with its tokenizer.json.',
      details: { model, pre: named },
    })
  }
  const merges = settings.required('tokenizer.ggml.merges', settings.texts('tokenizer.ggml.merges'))
  const bytes = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: signature.byteLevelSplits }
  const steps = signature.steps.map((step) =>
    step === 'digits'
      ? { type: 'Digits', individual_digits: true }
      : { type: 'Split', pattern: { Regex: step }, behavior: 'Isolated', invert: false },
  )
  return {
    model: bpe(vocabulary, merges, {
      unk_token: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: signature.ignoresMerges,
    }),
    normalizer: null,
    preTokenizer: { type: 'Sequence', pretokenizers: [...steps, bytes] },
    decoder: bytes,
    addsBos: pre === 'llama-bpe',
  }
}

function addedTokens({ tokens, types }: Vocabulary): object[] {
  return tokens.flatMap((content, id) => {
    const type = types[id]
    if (type !== tokenTypes.control && type !== tokenTypes.userDefined && type !== tokenTypes.unknown) return []
    const special = type !== tokenTypes.userDefined
    return [{ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special }]
  })
}

function postProcessor(
  edges: { readonly addsBos: boolean; readonly addsEos: boolean; readonly bos: string | undefined; readonly eos: string | undefined },
  tokens: readonly string[],
): object | null {
  const before = edges.addsBos && edges.bos !== undefined ? [edges.bos] : []
  const after = edges.addsEos && edges.eos !== undefined ? [edges.eos] : []
  if (before.length + after.length === 0) return null
  const special = (id: string): object => ({ SpecialToken: { id, type_id: 0 } })
  const single = [...before.map(special), { Sequence: { id: 'A', type_id: 0 } }, ...after.map(special)]
  const table = Object.fromEntries(
    [...before, ...after].map((token) => [token, { id: token, ids: [tokens.indexOf(token)], tokens: [token] }]),
  )
  return { type: 'TemplateProcessing', single, pair: [...single, { Sequence: { id: 'B', type_id: 1 } }], special_tokens: table }
}
