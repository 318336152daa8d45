import { type ErrorCode, StudioError } from '../core/errors.ts'
import type { ByteSource } from '../io/byte-source.ts'
import { readText } from '../io/read-text.ts'
import type { TokenizerFiles } from './checkpoint.ts'
import { type ModelFolder, requireTokenizer } from './locate.ts'

/** Configs are a few kilobytes, some embed a long template; the largest tokenizer.json in use is 33 MB. */
const maxConfigBytes = 16_000_000
const maxTokenizerBytes = 256_000_000

type JsonObject = Readonly<Record<string, unknown>>

/** A small JSON file as an object. Throws the given code when it is not one. */
export async function readJson(source: ByteSource, code: ErrorCode, signal?: AbortSignal): Promise<JsonObject> {
  const text = await readText(source, code === 'tokenizer-invalid' ? maxTokenizerBytes : maxConfigBytes, signal)
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (cause) {
    throw invalid(source.name, 'is not valid JSON', code, cause)
  }
  if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) return parsed as JsonObject
  throw invalid(source.name, 'does not hold an object', code)
}

function invalid(name: string, what: string, code: ErrorCode, cause?: unknown): StudioError {
  return new StudioError(
    code,
    {
      title: `${name} cannot be used`,
      message: `${name} ${what}.`,
      remedy: 'Fetch the file again; the weights are fine as they are.',
      details: { file: name },
    },
    { cause },
  )
}

/**
 * tokenizer.json and its optional companions. Special tokens that only special_tokens_map.json names are added to
 * `tokenizerConfig` (files of before transformers 4.30 split them). Throws `file-missing`, `tokenizer-invalid`.
 */
export async function readTokenizerFiles(folder: ModelFolder, signal?: AbortSignal): Promise<TokenizerFiles> {
  const optional = async (name: string) => {
    const source = folder.files.get(name)
    return source === undefined ? null : readJson(source, 'tokenizer-invalid', signal)
  }
  const tokenizerJson = await readJson(requireTokenizer(folder), 'tokenizer-invalid', signal)
  const ownConfig = (await optional('tokenizer_config.json')) ?? {}
  const specialTokens = (await optional('special_tokens_map.json')) ?? {}
  const generation = folder.files.get('generation_config.json')
  const template = folder.files.get('chat_template.jinja')
  return {
    tokenizerJson,
    tokenizerConfig: { ...specialTokens, ...ownConfig },
    generationConfig: generation === undefined ? null : await readJson(generation, 'config-invalid', signal),
    chatTemplate: template === undefined ? embeddedTemplate(ownConfig) : await readText(template, maxConfigBytes, signal),
  }
}

/** `chat_template` is text, or a list of named ones of which `default` counts. */
function embeddedTemplate(config: JsonObject): string | null {
  const value = config['chat_template']
  if (typeof value === 'string') return value
  if (!Array.isArray(value)) return null
  const named = value.find((item: unknown): item is { template: string } => isNamedTemplate(item) && item.name === 'default')
  return named?.template ?? null
}

function isNamedTemplate(item: unknown): item is { name: string; template: string } {
  return typeof item === 'object' && item !== null && 'name' in item && 'template' in item && typeof item.template === 'string'
}

/** One more than the largest token id that tokenizer.json can produce. Throws `tokenizer-invalid` when it has no vocabulary. */
export function tokenizerExtent(tokenizerJson: JsonObject): number {
  const model = tokenizerJson['model']
  const vocab: unknown = typeof model === 'object' && model !== null && 'vocab' in model ? model.vocab : null
  if (typeof vocab !== 'object' || vocab === null) throw invalid('tokenizer.json', 'has no vocabulary', 'tokenizer-invalid')
  const ids: readonly unknown[] = Array.isArray(vocab) ? [vocab.length - 1] : Object.values(vocab)
  const added = tokenizerJson['added_tokens']
  const addedIds: readonly unknown[] = Array.isArray(added) ? added.map((token: unknown) => (token as { id?: unknown } | null)?.id) : []
  let extent = 0
  for (const id of [...ids, ...addedIds]) {
    if (typeof id !== 'number' || !Number.isInteger(id)) throw invalid('tokenizer.json', 'has a token without an id', 'tokenizer-invalid')
    if (id >= extent) extent = id + 1
  }
  return extent
}
