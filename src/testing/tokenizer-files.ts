import type { TokenizerFiles } from '../checkpoint/checkpoint.ts'

const special = (id: number, content: string) => ({
  id,
  content,
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
  special: true,
})

const startsWith = (token: string, id: number) => ({
  type: 'TemplateProcessing',
  single: [{ SpecialToken: { id: token, type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
  pair: [],
  special_tokens: { [token]: { id: token, ids: [id], tokens: [token] } },
})

/** Merges of a few English words, in both vocabularies below. */
const merges = ['t h', 'th e', 'a n', 'an d', 'o n', 'c e', 'on ce', 'i n']

/** A small vocabulary of the SentencePiece kind: byte fallback, `▁` for spaces. `size` tokens, the last ones unnamed. */
export function sentencePieceFiles(): TokenizerFiles & { readonly vocabularySize: number } {
  const tokens = ['<unk>', '<s>', '</s>']
  for (let byte = 0; byte < 256; byte++) tokens.push(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`)
  tokens.push(...merges.map((merge) => merge.replace(' ', '')), '▁', ...Array.from('abcdefghijklmnopqrstuvwxyz'))
  return {
    vocabularySize: 320,
    tokenizerJson: {
      version: '1.0',
      added_tokens: [special(0, '<unk>'), special(1, '<s>'), special(2, '</s>')],
      normalizer: {
        type: 'Sequence',
        normalizers: [
          { type: 'Prepend', prepend: '▁' },
          { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
        ],
      },
      pre_tokenizer: null,
      post_processor: startsWith('<s>', 1),
      decoder: {
        type: 'Sequence',
        decoders: [
          { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
          { type: 'ByteFallback' },
          { type: 'Fuse' },
          { type: 'Strip', content: ' ', start: 1, stop: 0 },
        ],
      },
      model: {
        type: 'BPE',
        dropout: null,
        unk_token: '<unk>',
        continuing_subword_prefix: null,
        end_of_word_suffix: null,
        fuse_unk: true,
        byte_fallback: true,
        ignore_merges: false,
        vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
        merges,
      },
    },
    tokenizerConfig: { bos_token: '<s>', eos_token: '</s>', unk_token: '<unk>', add_bos_token: true, add_eos_token: false },
    generationConfig: { bos_token_id: 1, eos_token_id: 2 },
    chatTemplate: null,
  }
}

/** Byte to printable character, as GPT-2 does: 188 bytes stand for themselves, the rest follow from U+0100 on. */
function byteCharacters(): string[] {
  const isPlain = (byte: number) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174
  let next = 256
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(isPlain(byte) ? byte : next++))
}

const gpt2PreTokenizer = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true }

/** A small byte-level vocabulary with one special token. `preTokenizer` defaults to GPT-2's. */
export function byteLevelFiles(
  preTokenizer: Readonly<Record<string, unknown>> = gpt2PreTokenizer,
  model: Readonly<Record<string, unknown>> = {},
): TokenizerFiles & { readonly vocabularySize: number } {
  const tokens = ['<|endoftext|>', ...byteCharacters(), ...merges.map((merge) => merge.replace(' ', ''))]
  return {
    vocabularySize: 288,
    tokenizerJson: {
      version: '1.0',
      added_tokens: [special(0, '<|endoftext|>')],
      normalizer: null,
      pre_tokenizer: preTokenizer,
      post_processor: null,
      decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
      model: {
        type: 'BPE',
        dropout: null,
        unk_token: null,
        continuing_subword_prefix: '',
        end_of_word_suffix: '',
        fuse_unk: false,
        byte_fallback: false,
        ignore_merges: false,
        vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
        merges: merges.map((merge) => merge.split(' ')),
        ...model,
      },
    },
    tokenizerConfig: { bos_token: { content: '<|endoftext|>' }, eos_token: '<|endoftext|>' },
    generationConfig: null,
    chatTemplate: '{{ messages }}',
  }
}
