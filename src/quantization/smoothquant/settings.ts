import * as v from 'valibot'
import type { SettingField } from '../axis-member.ts'
import { parseSettings } from '../parse-settings.ts'
import type { AxisChoice } from '../recipe.ts'

export interface SmoothQuantSettings {
  /** How much of the range of inputs moves into the weights, 0 to 1; `search`: what loses least, for each input. */
  readonly alpha: number | 'search'
  /** Inputs in 8 bits: a scale for each token as it comes, one from calibration, one for outputs too, or not rounded at all. */
  readonly activations: 'token' | 'tensor' | 'integer' | 'float'
}

const kind = 'smoothquant'
const defaultAlpha = 0.5
const endings = { token: '', tensor: '-static', integer: '-integer', float: '-a16' } as const

const activationNames = ['token', 'tensor', 'integer', 'float'] as const

const schema = v.strictObject({
  kind: v.literal(kind),
  alpha: v.optional(v.union([v.pipe(v.number(), v.minValue(0), v.maxValue(1)), v.literal('search')]), defaultAlpha),
  activations: v.optional(v.picklist(activationNames), 'token'),
})

export const smoothQuantFields: readonly SettingField[] = [
  {
    key: 'alpha',
    label: 'Share of the range that moves into the weights (alpha)',
    input: 'choice',
    options: [
      ...[0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9].map((value) => ({ value, label: String(value) })),
      { value: 'search', label: 'what loses least, for each input' },
    ],
    default: defaultAlpha,
  },
  {
    key: 'activations',
    label: 'Inputs of the linears',
    input: 'choice',
    options: [
      { value: 'token', label: '8 bit, a scale for each token' },
      { value: 'tensor', label: '8 bit, one scale from calibration' },
      { value: 'integer', label: '8 bit, and outputs too, scales from calibration' },
      { value: 'float', label: 'stay float' },
    ],
    default: 'token',
  },
]

export function parseSmoothQuant(choice: AxisChoice): SmoothQuantSettings {
  return parseSettings(schema, choice, {
    of: 'SmoothQuant',
    remedy: 'Use alpha 0 to 1 or "search", and activations "token", "tensor", "integer" or "float".',
  })
}

/** `smoothquant`, `smoothquant-alpha0.85`, `smoothquant-search-static`. */
export function smoothQuantLabel({ alpha, activations }: SmoothQuantSettings): string {
  const share = alpha === 'search' ? '-search' : alpha === defaultAlpha ? '' : `-alpha${alpha}`
  return kind + share + endings[activations]
}

/** The inverse of the label, and of the label with `-w8a8` behind its first word. */
export function smoothQuantFromLabel(label: string, head = kind): AxisChoice | null {
  const match = /^(?:-(search)|-alpha(0(?:\.\d{1,3})?|1))?(-static|-integer|-a16)?$/.exec(
    label.startsWith(head) ? label.slice(head.length) : 'no',
  )
  if (match === null) return null
  const alpha = match[1] === 'search' ? 'search' : match[2] === undefined ? defaultAlpha : Number(match[2])
  const activations = activationNames.find((name) => endings[name] === (match[3] ?? '')) ?? 'token'
  return { kind, ...(alpha === defaultAlpha ? {} : { alpha }), ...(activations === 'token' ? {} : { activations }) }
}
