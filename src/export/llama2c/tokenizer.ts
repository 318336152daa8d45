import type { Checkpoint } from '../../checkpoint/checkpoint.ts'
import type { GgufEntry } from '../../formats/gguf/types.ts'
import { tokenizerPart } from '../gguf/metadata.ts'
import { mergePairs, parseTokenizerJson } from '../gguf/tokenizer-json.ts'

/** A token as tokenizer.bin has it. */
export interface Llama2cToken {
  /** What it stands for in text; bytes and control tokens by their names. */
  readonly text: string
  /** Neighbours whose union scores highest are joined first. */
  readonly score: number
}

export type Llama2cTokenizer =
  | { readonly tokens: readonly Llama2cToken[]; readonly notes: readonly string[] }
  | { readonly refusal: string }

/** Ids that run.c and runq.c have built in: a text begins with the first, ends at it, and bytes follow from the third on. */
const bosId = 1
const eosId = 2
const firstByteId = 3

/** `llama_token_type`, which the GGUF part gives with each token. */
const types = { normal: 1, control: 3, userDefined: 4 } as const

const known = new WeakMap<Checkpoint, Llama2cTokenizer>()

/**
 * The tokenizer as llama2.c's runner reads it, or a sentence that says why it would read text differently. The runner puts a
 * space before a text, looks up characters, falls back to bytes at ids 3 to 258, then joins the neighbours whose union is the
 * token of the highest score, leftmost first: SentencePiece's BPE (`encode` in run.c), with the ids of Llama's own vocabulary.
 */
export function llama2cTokenizer(checkpoint: Checkpoint): Llama2cTokenizer {
  const found = known.get(checkpoint) ?? build(checkpoint)
  known.set(checkpoint, found)
  return found
}

function build(checkpoint: Checkpoint): Llama2cTokenizer {
  const { metadata } = tokenizerPart(checkpoint)
  if ('refusal' in metadata) return metadata
  const entries = new Map(metadata.entries.map(({ key, value }) => [key.replace('tokenizer.ggml.', ''), value]))
  const one = (key: string): unknown => entries.get(key)?.value
  if (one('model') !== 'llama') {
    return refuse('it cuts text into bytes by a pattern (byte-level BPE), and the runner knows SentencePiece vocabularies alone')
  }
  if (one('add_space_prefix') !== true) return refuse('it puts no space before a text, and the runner always does')
  if (one('bos_token_id') !== bosId || one('eos_token_id') !== eosId || one('add_bos_token') !== true) {
    return refuse(`a text must begin with id ${bosId} and end with id ${eosId}`)
  }
  const tokens = strings(entries.get('tokens'))
  const scores = numbers(entries.get('scores'))
  const kinds = numbers(entries.get('token_type'))
  const byteNames = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`)
  if (byteNames.some((name, byte) => tokens[firstByteId + byte] !== name)) return refuse('its bytes are not the ids 3 to 258')
  const texts = tokens.map((token, id) => textOf(token, kinds[id] ?? 0))
  return check(checkpoint, texts, kinds) ?? { tokens: texts.map((text, id) => ({ text, score: scores[id] ?? 0 })), notes: notesOf(kinds) }
}

/** As `tokenizer.py` of llama2.c writes them: a space where SentencePiece has `▁`, and control tokens on lines of their own. */
function textOf(token: string, kind: number): string {
  return kind === types.control ? `\n${token}\n` : token.replaceAll('\u2581', ' ')
}

/** What would make the runner's look-ups ambiguous or its unions differ from the merges. */
function check(checkpoint: Checkpoint, texts: readonly string[], kinds: readonly number[]): { readonly refusal: string } | null {
  const ids = new Map(texts.map((text, id) => [text, id]))
  const twice = texts.find((text, id) => ids.get(text) !== id)
  if (twice !== undefined) return refuse(`two of its tokens stand for "${twice}"`)
  if (!ids.has(' ')) return refuse('it has no token for a single space')
  const tokenizer = parseTokenizerJson(checkpoint.tokenizerFiles.tokenizerJson)
  const pairs = typeof tokenizer === 'string' ? null : mergePairs(tokenizer.model)
  const merges = new Set((pairs ?? []).map((pair) => pair.map((part) => part.replaceAll('\u2581', ' ')).join('\n')))
  for (const [text, id] of ids) {
    if (kinds[id] !== types.normal) continue
    const characters = Array.from(text)
    for (let cut = 1; cut < characters.length; cut++) {
      const [left, right] = [characters.slice(0, cut).join(''), characters.slice(cut).join('')]
      if (!ids.has(left) || !ids.has(right) || merges.has(`${left}\n${right}`)) continue
      return refuse(`the runner would join "${left}" and "${right}", which is none of its merges`)
    }
  }
  return null
}

function notesOf(kinds: readonly number[]): string[] {
  const added = kinds.filter((kind) => kind === types.userDefined).length
  return added === 0 ? [] : [`${added} added tokens are never found in text: the runner looks up single characters and joins them.`]
}

function refuse(reason: string): { readonly refusal: string } {
  return { refusal: `llama2.c's runner would read text differently with this tokenizer: ${reason}.` }
}

function strings(value: GgufEntry['value'] | undefined): readonly string[] {
  return value?.type === 'array' ? value.value.filter((each) => typeof each === 'string') : []
}

function numbers(value: GgufEntry['value'] | undefined): readonly number[] {
  return value?.type === 'array' ? value.value.filter((each) => typeof each === 'number') : []
}

/**
 * tokenizer.bin: u32 bytes of the longest token, then for each id f32 score, i32 bytes, the bytes. Little-endian. The runner
 * takes the number of tokens from the model.
 */
export function tokenizerBytes(tokens: readonly Llama2cToken[]): Uint8Array<ArrayBuffer> {
  const texts = tokens.map(({ text }) => new TextEncoder().encode(text))
  const bytes = new Uint8Array(4 + texts.reduce((sum, text) => sum + 8 + text.length, 0))
  const view = new DataView(bytes.buffer)
  view.setUint32(
    0,
    texts.reduce((longest, text) => Math.max(longest, text.length), 0),
    true,
  )
  let at = 4
  for (const [id, text] of texts.entries()) {
    view.setFloat32(at, tokens[id]?.score ?? 0, true)
    view.setInt32(at + 4, text.length, true)
    bytes.set(text, at + 8)
    at += 8 + text.length
  }
  return bytes
}
