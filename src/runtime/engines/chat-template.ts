import { Environment, Interpreter, parse, tokenize } from '@huggingface/jinja'
import { StudioError } from '../../core/errors.ts'
import type { ChatTemplate } from '../chat-template.ts'

export interface ChatTemplateSource {
  /** Program in Jinja, from chat_template.jinja or tokenizer_config.json. */
  readonly chatTemplate: string
  /** Parsed tokenizer_config.json, for the names of the special tokens. */
  readonly tokenizerConfig: Readonly<Record<string, unknown>>
}

/** Special tokens that templates may write by name (transformers, `SpecialTokensMixin.SPECIAL_TOKENS_ATTRIBUTES`). */
const specialTokens = ['bos_token', 'eos_token', 'unk_token', 'sep_token', 'pad_token', 'cls_token', 'mask_token']
/** What `range` gives at most: a conversation has fewer turns, and a template must not run for ever. */
const mostRange = 100_000

/**
 * Templates that print the date get this one on every day, since equal requests give equal bytes. It is the date that templates
 * of Llama 3.2 write by themselves where they are not told the day: Friday, 26 July 2024, 00:00.
 */
const fixedDate: Readonly<Record<string, string>> = {
  '%Y': '2024',
  '%y': '24',
  '%m': '07',
  '%B': 'July',
  '%b': 'Jul',
  '%d': '26',
  '%A': 'Friday',
  '%a': 'Fri',
  '%H': '00',
  '%M': '00',
  '%S': '00',
  '%%': '%',
}

/** The words of a template's `raise_exception`. */
class Refusal extends Error {}

/**
 * The chat template of a model, run as transformers runs it (`apply_chat_template` without tools and without a generation
 * prompt): blocks trimmed, special tokens by name, `raise_exception`, `range`, `namespace`, `strftime_now`. Throws `usage` for a
 * program that cannot be read.
 */
export function createChatTemplate({ chatTemplate, tokenizerConfig }: ChatTemplateSource): ChatTemplate {
  const program = attempt(() => parse(tokenize(chatTemplate, { lstrip_blocks: true, trim_blocks: true })))
  const tokens = specialTokens.flatMap((name) => {
    const content = tokenContent(tokenizerConfig[name])
    return content === null ? [] : [[name, content] as const]
  })
  return {
    render: (messages) =>
      attempt(() => {
        const environment = new Environment()
        const variables = { ...Object.fromEntries(tokens), messages, tools: null, documents: null, add_generation_prompt: false }
        for (const [name, value] of Object.entries({ ...globals, ...variables })) environment.set(name, value)
        const { value } = new Interpreter(environment).run(program)
        if (typeof value !== 'string') throw new Error('it gives no text')
        return value
      }),
  }
}

/** Names that every template may use. Set here and not by the library, whose date is today's. */
const globals: Readonly<Record<string, unknown>> = {
  true: true,
  false: false,
  none: null,
  True: true,
  False: false,
  None: null,
  raise_exception: (message: unknown) => {
    throw new Refusal(String(message))
  },
  range: (...bounds: number[]) => {
    const [start, stop, step = 1] = bounds.length === 1 ? [0, ...bounds] : bounds
    if (start === undefined || stop === undefined || step === 0)
      throw new Error('range needs one to three numbers, and a step that is not 0')
    const count = Math.max(0, Math.ceil((stop - start) / step))
    if (count > mostRange) throw new Error(`range would have ${count} numbers`)
    return Array.from({ length: count }, (_, index) => start + index * step)
  },
  strftime_now: (format: unknown) => String(format).replace(/%[A-Za-z%]/g, (part) => fixedDate[part] ?? part),
}

/** A string, or an object that holds it. */
function tokenContent(token: unknown): string | null {
  const content: unknown = typeof token === 'object' && token !== null && 'content' in token ? token.content : token
  return typeof content === 'string' ? content : null
}

function attempt<T>(work: () => T): T {
  try {
    return work()
  } catch (cause) {
    const words = cause instanceof Error ? cause.message : String(cause)
    const message =
      cause instanceof Refusal
        ? `The chat template of this model refuses a conversation: ${words}`
        : `The chat template of this model cannot be run: ${words}`
    throw new StudioError(
      'usage',
      {
        title: 'The chat template cannot be used',
        message: /[.!?]$/.test(message) ? message : `${message}.`,
        remedy: 'Calibrate without it, or on conversations that the model takes.',
      },
      { cause },
    )
  }
}
