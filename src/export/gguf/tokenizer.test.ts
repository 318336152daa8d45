import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { TokenizerFiles } from '../../checkpoint/checkpoint.ts'
import type { GgufScalar } from '../../formats/gguf/types.ts'
import { byteLevelFiles, sentencePieceFiles } from '../../testing/tokenizer-files.ts'
import { tokenizerMetadata } from './tokenizer.ts'

const vocabularySize = 320

/** Metadata as an object of plain values, or the refusal. */
function metadataOf(
  files: TokenizerFiles,
  rawConfig = {},
  size = vocabularySize,
): Record<string, GgufScalar | readonly GgufScalar[]> | string {
  const metadata = tokenizerMetadata({ files, rawConfig, vocabularySize: size })
  if ('refusal' in metadata) return metadata.refusal
  return Object.fromEntries(metadata.entries.map(({ key, value }) => [key.replace('tokenizer.ggml.', ''), value.value]))
}

/** The same files with parts of tokenizer.json replaced. */
function changed(files: TokenizerFiles, change: Readonly<Record<string, unknown>>): TokenizerFiles {
  return { ...files, tokenizerJson: { ...files.tokenizerJson, ...change } }
}

describe('a SentencePiece-like tokenizer in GGUF', () => {
  const metadata = metadataOf(sentencePieceFiles())
  const list = (key: string) => (typeof metadata === 'string' ? [] : (metadata[key] as readonly GgufScalar[]))

  it('is llama.cpp\'s "llama" with its special tokens', () => {
    expect(metadata).toMatchObject({
      model: 'llama',
      pre: 'default',
      bos_token_id: 1,
      eos_token_id: 2,
      unknown_token_id: 0,
      add_bos_token: true,
      add_eos_token: false,
      add_space_prefix: true,
    })
  })

  it('has one entry an id in every list, ids without a token filled', () => {
    for (const key of ['tokens', 'scores', 'token_type']) expect(list(key)).toHaveLength(vocabularySize)
    expect(list('tokens').at(-1)).toBe('[PAD319]')
    expect(list('token_type').at(-1)).toBe(5)
    expect(list('scores').at(-1)).toBe(-10_000)
  })

  it('marks unknown, control, byte and normal tokens', () => {
    const types = list('token_type')
    const of = (token: string) => types[list('tokens').indexOf(token)]
    expect([of('<unk>'), of('<s>'), of('<0x41>'), of('the')]).toEqual([2, 3, 6, 1])
  })

  it('scores tokens by the first merge that makes them, and the rest below', () => {
    const scores = list('scores')
    const of = (token: string) => Number(scores[list('tokens').indexOf(token)])
    expect([of('th'), of('the'), of('an')]).toEqual([0, -1, -2])
    expect(Object.is(of('th'), 0)).toBe(true)
    expect(Math.max(of('▁'), of('a'), of('z'))).toBeLessThan(of('in'))
  })

  it('gives added tokens that are not special a type and a score of their own', () => {
    const files = sentencePieceFiles()
    const added = { id: 310, content: '<tool>', special: false }
    const withTool = metadataOf(changed(files, { added_tokens: [...(files.tokenizerJson['added_tokens'] as unknown[]), added] }))
    expect(withTool).toMatchObject({ tokens: expect.arrayContaining(['<tool>']) as unknown })
    if (typeof withTool === 'string') return
    expect((withTool['token_type'] as number[])[310]).toBe(4)
    expect((withTool['scores'] as number[])[310]).toBe(-1000)
  })

  it('knows the space in front from either form of the file', () => {
    const metaspace = (more: object) => ({ normalizer: null, pre_tokenizer: { type: 'Metaspace', replacement: '▁', ...more } })
    const prefix = (change: object) => {
      const found = metadataOf(changed(sentencePieceFiles(), change as Record<string, unknown>))
      return typeof found === 'string' ? found : found['add_space_prefix']
    }
    expect(prefix(metaspace({ prepend_scheme: 'first' }))).toBe(true)
    expect(prefix(metaspace({ prepend_scheme: 'never' }))).toBe(false)
    expect(prefix(metaspace({ add_prefix_space: false }))).toBe(false)
    expect(prefix({ normalizer: { type: 'Replace', pattern: { String: ' ' }, content: '▁' } })).toBe(false)
    expect(prefix({ normalizer: { type: 'Lowercase' } })).toMatch(/write spaces as SentencePiece/)
    expect(prefix({ normalizer: null })).toMatch(/write spaces as SentencePiece/)
  })
})

describe('scores of a real vocabulary', () => {
  const folder = '../shared/models/stories260K'
  const isHere = existsSync(`${folder}/tokenizer.scores.json`)
  if (!isHere) process.stdout.write(`skipped: ${folder} is not here, so scores are not compared with SentencePiece's own\n`)

  it.skipIf(!isHere)('are those that SentencePiece wrote, for every token that merges make', () => {
    const read = (name: string) => JSON.parse(readFileSync(`${folder}/${name}`, 'utf8')) as Record<string, unknown>
    const wanted = read('tokenizer.scores.json') as unknown as number[]
    const tokenizerJson = read('tokenizer.json')
    const metadata = metadataOf({ tokenizerJson, tokenizerConfig: {}, generationConfig: null, chatTemplate: null }, {}, 512)
    if (typeof metadata === 'string') throw new Error(metadata)
    const scores = metadata['scores'] as number[]
    expect(scores.filter((score) => score < 0).length).toBeGreaterThan(200)
    expect(scores.map((score) => score + 0)).toEqual(wanted.map((score) => score + 0))
  })
})

describe('a byte-level tokenizer in GGUF', () => {
  it('is llama.cpp\'s "gpt2" with merges in text form', () => {
    const metadata = metadataOf(byteLevelFiles())
    expect(metadata).toMatchObject({ model: 'gpt2', pre: 'gpt-2', bos_token_id: 0, eos_token_id: 0, add_bos_token: false })
    expect(metadata).toMatchObject({ merges: ['t h', 'th e', 'a n', 'an d', 'o n', 'c e', 'on ce', 'i n'] })
    expect(metadata).not.toHaveProperty('scores')
    expect(metadata).toMatchObject({ 'tokenizer.chat_template': '{{ messages }}' })
  })

  it('writes a space inside a merge as its byte-level character', () => {
    const files = byteLevelFiles(undefined, { merges: [['a b', 'c']] })
    expect(metadataOf(files)).toMatchObject({ merges: ['a\u0120b c'] })
  })

  const split = (pattern: string) => ({
    type: 'Sequence',
    pretokenizers: [
      { type: 'Split', pattern: { Regex: pattern }, behavior: 'Isolated', invert: false },
      { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
    ],
  })
  const digits = {
    type: 'Sequence',
    pretokenizers: [
      { type: 'Digits', individual_digits: true },
      { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    ],
  }
  const llama3 = String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
  const qwen2 = llama3.replace('{1,3}', '')
  const tekken = String.raw`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`

  it.each([
    ['gpt-2', byteLevelFiles()],
    ['smollm', byteLevelFiles(digits)],
    ['llama-bpe', byteLevelFiles(split(llama3), { ignore_merges: true })],
    ['dbrx', byteLevelFiles(split(llama3))],
    ['qwen2', byteLevelFiles(split(qwen2))],
    ['tekken', byteLevelFiles(split(tekken), { ignore_merges: true })],
  ])('finds the name %s of its pre-tokenizer', (pre, files) => {
    expect(metadataOf(files)).toMatchObject({ pre })
  })

  it.each([
    ['a pattern nobody knows', byteLevelFiles(split(String.raw`\w+`)), /not among the ones known/],
    ['a known pattern with other merging', byteLevelFiles(split(qwen2), { ignore_merges: true }), /with ignore_merges is not among/],
    ['a space put in front', byteLevelFiles({ type: 'ByteLevel', add_prefix_space: true, use_regex: true }), /space in front/],
    ['no byte level at the end', byteLevelFiles({ type: 'Whitespace' }), /ends in Whitespace/],
    ['digits in groups', byteLevelFiles({ type: 'Sequence', pretokenizers: [{ type: 'Digits' }, { type: 'ByteLevel' }] }), /step Digits/],
    ['a list that is none', byteLevelFiles({ type: 'Sequence' }), /ends in/],
    ['text rewritten first', changed(byteLevelFiles(), { normalizer: { type: 'Lowercase' } }), /rewrites text first \(Lowercase\)/],
    ['a merge of one part', byteLevelFiles(undefined, { merges: ['ab'] }), /two parts/],
    ['a suffix at the end of words', byteLevelFiles(undefined, { end_of_word_suffix: '</w>' }), /end of words/],
    ['random merging', byteLevelFiles(undefined, { dropout: 0.1 }), /at random/],
    ['another model', changed(byteLevelFiles(), { model: { type: 'Unigram', vocab: [] } }), /of the kind Unigram/],
    ['a broken vocabulary', byteLevelFiles(undefined, { vocab: { a: 'x' } }), /cannot be read at model\.vocab\.a/],
  ])('refuses %s', (_what, files, message) => {
    expect(metadataOf(files)).toMatch(message)
  })

  it('refuses ids beyond the embedding', () => {
    expect(metadataOf(byteLevelFiles(), {}, 200)).toMatch(/the id 200, but the embedding has 200 rows/)
    const files = changed(byteLevelFiles(), { added_tokens: [{ id: 900, content: '<|x|>', special: true }] })
    expect(metadataOf(files)).toMatch(/"<\|x\|>" the id 900/)
  })

  it('says that accents are composed when the tokenizer does', () => {
    const files = changed(byteLevelFiles(), { normalizer: { type: 'NFC' } })
    const metadata = tokenizerMetadata({ files, rawConfig: {}, vocabularySize })
    expect('notes' in metadata ? metadata.notes.join() : '').toMatch(/NFC/)
  })
})

describe('special ids', () => {
  const without = (tokenizerConfig: Readonly<Record<string, unknown>>) => ({ ...byteLevelFiles(), tokenizerConfig })

  it('come from config.json where tokenizer_config.json names none, the first of a list', () => {
    const metadata = metadataOf(without({ bos_token: null }), { bos_token_id: 5, eos_token_id: [7, 8], pad_token_id: 9_999 })
    expect(metadata).toMatchObject({ bos_token_id: 5, eos_token_id: 7 })
    expect(metadata).not.toHaveProperty('padding_token_id')
  })

  it('are added when the template of the post-processor does it, unless the config says otherwise', () => {
    const files = sentencePieceFiles()
    const rest = Object.fromEntries(Object.entries(files.tokenizerConfig).filter(([key]) => key !== 'add_bos_token'))
    expect(metadataOf({ ...files, tokenizerConfig: rest })).toMatchObject({ add_bos_token: true, add_eos_token: false })
    expect(metadataOf(changed({ ...files, tokenizerConfig: rest }, { post_processor: null }))).toMatchObject({ add_bos_token: false })
    expect(metadataOf({ ...files, tokenizerConfig: { ...rest, add_bos_token: false } })).toMatchObject({ add_bos_token: false })
  })
})
