import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createTokenizer, type TokenizerSource } from './tokenizer.ts'

const merges = ['▁ t', 'h e', '▁t he', 'a n', 'an d', 'i n', 'e r', '▁ a']
const pieces = [
  '<unk>',
  '<s>',
  '</s>',
  ...Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`),
]
const letters = Array.from('▁abcdefghijklmnopqrstuvwxyz.,')
const vocab = [...pieces, ...letters, ...merges.map((merge) => merge.replace(' ', ''))]
const special = (content: string, id: number): unknown => ({
  id,
  content,
  special: true,
  normalized: false,
  single_word: false,
  lstrip: false,
  rstrip: false,
})

/** Llama's kind: spaces become ▁, no pre-tokenizer, so that a whole text is one piece; unknown characters become bytes. */
const llama: TokenizerSource = {
  tokenizerJson: {
    version: '1.0',
    added_tokens: ['<unk>', '<s>', '</s>'].map(special),
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'Prepend', prepend: '▁' },
        { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
      ],
    },
    pre_tokenizer: null,
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
      pair: [],
      special_tokens: { '<s>': { id: '<s>', ids: [1], tokens: ['<s>'] } },
    },
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
      unk_token: '<unk>',
      fuse_unk: true,
      byte_fallback: true,
      vocab: Object.fromEntries(vocab.map((piece, id) => [piece, id])),
      merges,
    },
  },
  tokenizerConfig: {},
}

/** Applies the merges in order of rank over the whole text, again and again: quadratic, and plain. */
function mergedByRank(text: string): number[] {
  let parts = Array.from(`▁${text.replaceAll(' ', '▁')}`)
  for (;;) {
    const pairs = parts.slice(1).map((part, index) => merges.indexOf(`${parts[index] ?? ''} ${part}`))
    const rank = Math.min(...pairs.filter((value) => value >= 0))
    if (!Number.isFinite(rank)) break
    const at = pairs.indexOf(rank)
    parts = [...parts.slice(0, at), (parts[at] ?? '') + (parts[at + 1] ?? ''), ...parts.slice(at + 2)]
  }
  return parts.flatMap((part) =>
    vocab.includes(part) ? [vocab.indexOf(part)] : [...new TextEncoder().encode(part)].map((byte) => byte + 3),
  )
}

describe('createTokenizer', () => {
  it('merges by rank, leftmost first, and falls back to bytes', () => {
    const tokenizer = createTokenizer(llama)
    const alphabet = fc.constantFrom(...'the and inner, été ☃ 🎈'.split(''), ' ')
    fc.assert(
      fc.property(fc.array(alphabet, { minLength: 1, maxLength: 60 }), (characters) => {
        const text = characters.join('').replace(/[\uD800-\uDFFF]/g, '🎈')
        expect([...tokenizer.encode(text)]).toEqual(mergedByRank(text))
      }),
    )
  })

  it('gives a text back', () => {
    const tokenizer = createTokenizer(llama)
    const text = "the and inner, don't clean up ' this ' ☃ ,"
    expect(tokenizer.decode(tokenizer.encode(text))).toBe(text)
    expect(tokenizer.decode([])).toBe('')
    expect(tokenizer.encode('')).toHaveLength(0)
  })

  it('takes a long text without a pre-tokenizer in one go, with the ids of its parts', () => {
    // "." and "," merge with nothing, so ids on either side do not depend on each other
    const sentence = 'the inner hand and thin other.'
    const tokenizer = createTokenizer(llama)
    const once = [...tokenizer.encode(sentence)]
    const long = tokenizer.encode(sentence + ` ${sentence}`.repeat(2999))
    expect(long).toHaveLength(once.length * 3000)
    expect([...long.subarray(-once.length)]).toEqual(once)
  })

  it.each([
    ['the template', {}, 1],
    ['add_bos_token false', { add_bos_token: false }, null],
  ])('knows the first token: %s', (_name, tokenizerConfig, expected) => {
    expect(createTokenizer({ ...llama, tokenizerConfig }).bosTokenId).toBe(expected)
  })

  it('believes add_bos_token where there is no template', () => {
    const tokenizerJson = { ...llama.tokenizerJson, post_processor: null }
    const first = (tokenizerConfig: Record<string, unknown>): number | null =>
      createTokenizer({ tokenizerJson, tokenizerConfig }).bosTokenId
    expect(first({})).toBeNull()
    expect(first({ add_bos_token: true, bos_token: '<s>' })).toBe(1)
    expect(first({ add_bos_token: true, bos_token: { content: '<s>' } })).toBe(1)
    expect(first({ add_bos_token: true })).toBeNull()
  })

  it('counts the whole vocabulary', () => {
    expect(createTokenizer(llama).vocabularySize).toBe(vocab.length)
  })

  it('refuses what is no tokenizer, and a text it has no tokens for', () => {
    const invalid = expect.objectContaining({ code: 'tokenizer-invalid' }) as Error
    expect(() => createTokenizer({ tokenizerJson: {}, tokenizerConfig: {} })).toThrow(invalid)
    const model = { type: 'BPE', unk_token: '<missing>', vocab: { a: 0 }, merges: [] }
    const bare = { ...llama.tokenizerJson, added_tokens: [], normalizer: null, post_processor: null, model }
    const tokenizer = createTokenizer({ tokenizerJson: bare, tokenizerConfig: {} })
    expect([...tokenizer.encode('aa')]).toEqual([0, 0])
    expect(() => tokenizer.encode('ab')).toThrow(invalid)
  })
})
