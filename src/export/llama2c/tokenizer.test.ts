import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { TokenizerFiles } from '../../checkpoint/checkpoint.ts'
import { createTokenizer } from '../../runtime/engines/tokenizer.ts'
import { madeCheckpoint } from '../../testing/export-source.ts'
import { tinyLlamaConfig } from '../../testing/tiny-llama.ts'
import { sentencePieceFiles } from '../../testing/tokenizer-files.ts'
import { readTokenizer } from './read.ts'
import { llama2cTokenizer, tokenizerBytes } from './tokenizer.ts'

const shared = new URL('../../../../shared/models/stories260K/', import.meta.url)
const isPresent = existsSync(shared)
if (!isPresent) process.stderr.write('skipped: the tokenizer of stories260K in llama2.c, because ../shared is not here\n')

/** `encode` of llama2.c's runner, in its own order: look-ups of characters, bytes, then unions of the best score. */
function encodeAsRunner(tokens: readonly { readonly text: string; readonly score: number }[], text: string): number[] {
  const find = (wanted: string): number => tokens.findIndex((token) => token.text === wanted)
  const ids = [1, find(' ')]
  for (const character of text) {
    const id = find(character)
    if (id >= 0) ids.push(id)
    else ids.push(...Array.from(new TextEncoder().encode(character), (byte) => byte + 3))
  }
  for (;;) {
    let best = { score: Number.NEGATIVE_INFINITY, at: -1, id: -1 }
    for (let at = 0; at + 1 < ids.length; at++) {
      const id = find((tokens[ids[at] ?? 0]?.text ?? '') + (tokens[ids[at + 1] ?? 0]?.text ?? ''))
      const score = tokens[id]?.score
      if (score !== undefined && score > best.score) best = { score, at, id }
    }
    if (best.at < 0) return ids
    ids.splice(best.at, 2, best.id)
  }
}

const texts = [
  'Once upon a time, there was a little girl named Lily.',
  'caf\u00e9 \u4f60\u597d \ud83d\ude00\n\ttabs  and   spaces ',
  '"No!" said 12 cats; x = y_2^3',
]

describe.skipIf(!isPresent)('the tokenizer of stories260K', () => {
  const json = (name: string): Record<string, unknown> => JSON.parse(readFileSync(new URL(name, shared), 'utf8')) as Record<string, unknown>
  const files = (): TokenizerFiles => ({
    tokenizerJson: json('tokenizer.json'),
    tokenizerConfig: json('tokenizer_config.json'),
    generationConfig: null,
    chatTemplate: null,
  })
  const checkpoint = () => madeCheckpoint({ rawConfig: json('config.json'), tokenizerFiles: files() })

  it('reads text as the original does, out of its own file', async () => {
    const made = llama2cTokenizer(checkpoint())
    if ('refusal' in made) throw new TypeError(made.refusal)
    const bytes = tokenizerBytes(made.tokens)
    const { longest, tokens } = readTokenizer(bytes, 512)
    expect(longest).toBe(Math.max(...tokens.map(({ text }) => new TextEncoder().encode(text).length)))
    const original = createTokenizer(files())
    for (const text of texts) expect(encodeAsRunner(tokens, text)).toEqual([1, ...original.encode(text)])
  })

  it('has the scores of the SentencePiece model it came from', () => {
    const made = llama2cTokenizer(checkpoint())
    if ('refusal' in made) throw new TypeError(made.refusal)
    const scores = JSON.parse(readFileSync(new URL('tokenizer.scores.json', shared), 'utf8')) as number[]
    // The first merge has -0 there.
    expect(made.tokens.map(({ score }) => score + 0)).toEqual(scores.map((score) => score + 0))
  })
})

describe('a tokenizer that the runner would read differently', () => {
  const refusalOf = (change: { json?: object; model?: object; config?: object }): string => {
    const files = sentencePieceFiles()
    const model = { ...(files.tokenizerJson['model'] as object), merges: [], ...change.model }
    const made = llama2cTokenizer(
      madeCheckpoint({
        rawConfig: tinyLlamaConfig(),
        tokenizerFiles: {
          ...files,
          tokenizerJson: { ...files.tokenizerJson, ...change.json, model },
          tokenizerConfig: { ...files.tokenizerConfig, ...change.config },
        },
      }),
    )
    return 'refusal' in made ? made.refusal : 'none'
  }
  const vocab = (sentencePieceFiles().tokenizerJson['model'] as { vocab: Record<string, number> }).vocab
  const spaceless = Object.fromEntries(Object.entries(vocab).filter(([token]) => token !== '\u2581'))

  it.each<[Parameters<typeof refusalOf>[0], RegExp]>([
    [{ json: { normalizer: { type: 'Replace', pattern: { String: ' ' }, content: '\u2581' } } }, /puts no space before a text/],
    [{ config: { bos_token: '</s>' } }, /begin with id 1 and end with id 2/],
    [{ config: { add_bos_token: false } }, /begin with id 1/],
    [{ model: { vocab: { ...vocab, '<0x00>': 4, '<0x01>': 3 } } }, /bytes are not the ids 3 to 258/],
    [{ model: { vocab: { ...vocab, ' ': 310 } } }, /two of its tokens stand for " "/],
    [{ model: { vocab: spaceless } }, /no token for a single space/],
    [{}, /would join "t" and "h"/],
    [{ model: { type: 'WordPiece' } }, /WordPiece/],
  ])('%o', (change, message) => {
    expect(refusalOf(change)).toMatch(message)
  })

  it('says which tokens are never found', () => {
    const files = sentencePieceFiles()
    const added = [...(files.tokenizerJson['added_tokens'] as object[]), { id: 319, content: 'hello', special: false }]
    const made = llama2cTokenizer(
      madeCheckpoint({
        rawConfig: tinyLlamaConfig(),
        tokenizerFiles: { ...files, tokenizerJson: { ...files.tokenizerJson, added_tokens: added } },
      }),
    )
    expect('notes' in made ? made.notes : made.refusal).toEqual([expect.stringMatching(/^1 added tokens are never found/)])
  })

  it('is caught in a file that is cut off or has an empty token', () => {
    const bytes = tokenizerBytes([{ text: 'a', score: 0 }])
    expect(() => readTokenizer(bytes.slice(0, -1), 1)).toThrow(/cannot be read back/)
    expect(() => readTokenizer(bytes, 2)).toThrow(/cannot be read back/)
    expect(() => readTokenizer(new Uint8Array([...bytes, 0]), 1)).toThrow(/1 bytes are left/)
    expect(() => readTokenizer(tokenizerBytes([{ text: '', score: 0 }]), 1)).toThrow(/an empty token/)
  })
})
