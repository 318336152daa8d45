import { parseArgs } from 'node:util'
import { StudioError } from '../core/errors.ts'
import { deviceById, devices } from '../devices/device.ts'
import type { InputsId, ProtocolId } from '../evaluation/result.ts'
import { exportTargets } from '../export/registry.ts'

export interface CliArguments {
  readonly model: string
  readonly recipes: readonly string[]
  readonly calibration: string | null
  /** `null`: 32 windows. */
  readonly calibrationTokens: number | null
  /** `null`: as `context`. */
  readonly calibrationContext: number | null
  readonly usesChatTemplate: boolean
  /** imatrix files of llama.cpp: one to use, one to write. */
  readonly imatrix: string | null
  readonly saveImatrix: string | null
  /** `null`: the bundled text; `none`: nothing is measured on a text. */
  readonly evaluation: string | null
  readonly protocol: ProtocolId
  readonly inputs: InputsId
  /** `null`: 256, or what the model reads if that is less. */
  readonly context: number | null
  readonly maxTokens: number | null
  readonly targets: readonly string[]
  /** `null`: weights are not split into files. */
  readonly maxFileBytes: number | null
  /** Whose README and commands come with the files. */
  readonly device: string | null
  /** Of the options that formats declare, by option id. */
  readonly chosen: Readonly<Record<string, string>>
  readonly out: string | null
  readonly seed: number
  readonly threads: number | null
  readonly engine: 'native' | 'wasm'
}

/** What formats let a person choose, each under its id. */
const formatOptions = exportTargets.flatMap(({ title, options: declared = [] }) => declared.map((option) => ({ title, ...option })))

function helpOf({ id, title, explanation, values: [first, ...others] }: (typeof formatOptions)[number]): string {
  return `${`--${id} V`.padEnd(22)}${title}: ${first} (default) or ${others.join(' or ')}. ${explanation}`
}

export const help = `npm run quantize -- MODEL --recipe R [--recipe R ...] [options]

Quantizes a language model by several recipes in one pass and measures what each costs.

MODEL                 a folder with config.json, tokenizer.json and *.safetensors, a .gguf file (the first of its parts), or a
                      Hub id (owner/name[@revision])
--recipe R            a preset id (nearest-4bit-g32, nearest-4bit-channel-sym, nearest-8bit-tensor, Q8_0, Q4_K_M, Q4_0,
                      Q4_K_M+imatrix, Q4_K+gptq, gptq-4bit-g128, learned-4bit-g128-sym, awq-4bit-g128, smoothquant-w8a8,
                      hadamard-4bit-g128, hadamard+gptq-3bit-g128, Q4_0+hadamard, gptq-4bit-g128-cross,
                      nf4, kmeans-4bit, hqq-4bit-g64, F16), a JSON file, or the JSON itself; may be repeated
--evaluation TEXT     text to measure on (default: the bundled evaluation text); "none" only quantizes: no perplexity,
                      and the layers have the errors of their weights alone
--calibration TEXT    text that recipes learn from, and whose activations weigh the layer errors (default: the bundled
                      calibration text if a recipe learns or importance is saved, else the beginning of the evaluation text for the errors alone)
                      TEXT is a file, plain or JSON lines with "text" or "messages", or hub:OWNER/NAME[@REVISION][:SUBSET[:SPLIT[:COLUMN]]],
                      a data set of the Hub (hub:Salesforce/wikitext:wikitext-2-raw-v1, hub:allenai/c4:en): to measure on, its test split
                      from the beginning, to calibrate on, its train split from where --seed draws
--calibration-tokens N   run at most N tokens of it (default: 32 windows)
--calibration-context N  tokens a window of it (default: as --context)
--chat-template       put each document of it into the model's chat template: conversations as they are, a text as the answer to
                      a neutral request
--imatrix FILE        weigh errors by this imatrix file of llama.cpp (.gguf or .dat) instead of measuring importance
--save-imatrix FILE   write the importance that was measured, for llama-quantize (.dat: its older format)
--protocol P          windows (default) or llama.cpp (scores the second half of each window)
--inputs I            what matrices take while they are measured: float (default) or llama.cpp (inputs of matrices in types of ggml
                      rounded as its kernels for processors round them, mostly to 8 bits; all else, and what recipes learn from, float)
--context N           tokens a window (default: 256, or what the model reads if that is less)
--max-tokens N        run at most N tokens of the evaluation text (default: all)
--export T,...        gguf, gptq, gptq-v2, awq, bitsandbytes, compressed-tensors, onnx, onnx-qdq, tflite, llama2c; a recipe that
                      a format cannot hold is left out there, with the reason
--max-file-size SIZE   split files of weights above this size (500M, 4G), where the format has parts
${formatOptions.map(helpOf).join('\n')}
--device ID           whose commands the README beside the files has: pi-5-8gb, jetson-orin-nano-8gb, android-mid,
                      browser-webgpu-igpu, rtx-4060, esp32-s3, … (an unknown one lists them all)
--out DIR             where report.json and DIR/<recipe id>/<target id>/ go (default: quantized/<model name>)
--seed N              draws the calibration windows, and where a text of the Hub begins (default: 0)
--threads N           default: as many as cores, at most 16
--engine E            what runs the model: wasm (default), as in the tab, with the same results on every machine; or native, ONNX
                      Runtime built for this processor, several times as fast, with other last digits, so that codes which
                      depend on text may differ from the tab's
--help                this text

Environment: HF_ENDPOINT (a mirror of the Hub), HF_TOKEN (for models and data sets that ask for permission).
Exit codes: 0 done, 2 bad input (one line on stderr says what), 1 a fault of the program, 130 stopped.`

const options = {
  recipe: { type: 'string', multiple: true },
  calibration: { type: 'string' },
  'calibration-tokens': { type: 'string' },
  'calibration-context': { type: 'string' },
  'chat-template': { type: 'boolean' },
  imatrix: { type: 'string' },
  'save-imatrix': { type: 'string' },
  evaluation: { type: 'string' },
  protocol: { type: 'string' },
  inputs: { type: 'string' },
  context: { type: 'string' },
  'max-tokens': { type: 'string' },
  export: { type: 'string', multiple: true },
  'max-file-size': { type: 'string' },
  device: { type: 'string' },
  out: { type: 'string' },
  seed: { type: 'string' },
  threads: { type: 'string' },
  engine: { type: 'string' },
  help: { type: 'boolean' },
} as const

/** `help` when that is asked for. Throws `usage` naming what is wrong. */
export function parseCliArguments(argv: readonly string[]): CliArguments | 'help' {
  let parsed: ReturnType<typeof parse>
  try {
    parsed = parse(argv)
  } catch (error) {
    throw usage(error instanceof Error ? (error.message.split('. ')[0] ?? error.message) : String(error))
  }
  const { values, positionals } = parsed
  if (values.help === true) return 'help'
  const [model, extra] = positionals
  if (model === undefined) throw usage('No model is given')
  if (extra !== undefined) throw usage(`One model at a time: "${extra}" is one too many`)
  if (values.recipe === undefined) throw usage('No recipe is given')
  const protocol = values.protocol ?? 'windows'
  const inputs = values.inputs ?? 'float'
  const engine = values.engine ?? 'wasm'
  if (engine !== 'wasm' && engine !== 'native') throw usage(`There is no engine "${engine}": it is wasm or native`)
  if (protocol !== 'windows' && protocol !== 'llama.cpp') throw usage(`There is no protocol "${protocol}": it is windows or llama.cpp`)
  if (inputs !== 'float' && inputs !== 'llama.cpp') throw usage(`There are no inputs "${inputs}": they are float or llama.cpp`)
  return {
    model,
    recipes: values.recipe,
    calibration: values.calibration ?? null,
    calibrationTokens: wholeNumber('--calibration-tokens', values['calibration-tokens'], 1),
    calibrationContext: wholeNumber('--calibration-context', values['calibration-context'], 2),
    usesChatTemplate: values['chat-template'] ?? false,
    imatrix: values.imatrix ?? null,
    saveImatrix: values['save-imatrix'] ?? null,
    evaluation: values.evaluation ?? null,
    protocol,
    inputs,
    context: wholeNumber('--context', values.context, 2),
    maxTokens: wholeNumber('--max-tokens', values['max-tokens'], 1),
    targets: (values.export ?? []).flatMap((list) => list.split(',')).filter((id) => id !== ''),
    device: knownDevice(values.device),
    chosen: chosenOptions(values),
    maxFileBytes: fileSize(values['max-file-size']),
    out: values.out ?? null,
    seed: wholeNumber('--seed', values.seed, 0) ?? 0,
    threads: wholeNumber('--threads', values.threads, 1),
    engine,
  }
}

function parse(argv: readonly string[]) {
  const declared = Object.fromEntries(formatOptions.map(({ id }) => [id, { type: 'string' }] as const))
  return parseArgs({ args: [...argv], options: { ...declared, ...options }, allowPositionals: true, strict: true })
}

function chosenOptions(given: Readonly<Record<string, string | boolean | readonly string[] | undefined>>): Record<string, string> {
  const chosen: Record<string, string> = {}
  for (const { id, values } of formatOptions) {
    const value = given[id]
    if (typeof value !== 'string') continue
    if (!values.includes(value)) throw usage(`--${id} takes ${values.join(' or ')}, not "${value}"`)
    chosen[id] = value
  }
  return chosen
}

function wholeNumber(name: string, text: string | undefined, least: number): number | null {
  if (text === undefined) return null
  const value = Number(text)
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < least) {
    throw usage(`${name} takes a whole number from ${least} on, not "${text}"`)
  }
  return value
}

function knownDevice(id: string | undefined): string | null {
  if (id === undefined) return null
  if (deviceById(id) === null) throw usage(`There is no device "${id}"; there are ${devices.map((device) => device.id).join(', ')}`)
  return id
}

const sizeUnits: Readonly<Record<string, number>> = { '': 1, K: 1e3, M: 1e6, G: 1e9 }

/** A size as llama.cpp's splitter takes it: decimal units. */
function fileSize(text: string | undefined): number | null {
  if (text === undefined) return null
  const [, digits, unit] = /^(\d+)([KMG]?)$/.exec(text) ?? []
  const bytes = Number(digits) * (sizeUnits[unit ?? ''] ?? Number.NaN)
  if (!Number.isSafeInteger(bytes) || bytes < 1e6) throw usage(`--max-file-size takes a size from 1M on, as in 500M or 4G, not "${text}"`)
  return bytes
}

function usage(message: string): StudioError {
  return new StudioError('usage', { title: 'The command cannot be run', message: `${message}.`, remedy: '--help lists the options.' })
}
