import * as v from 'valibot'
import type { SettingField } from '../axis-member.ts'
import { parseSettings } from '../parse-settings.ts'
import type { AxisChoice } from '../recipe.ts'

export interface HadamardSettings {
  /** The hidden states of the whole model and the values within each head, or the latter alone. */
  readonly scope: 'model' | 'heads'
  /** Of the random signs. */
  readonly seed: number
}

const kind = 'hadamard'
const largestSeed = 2 ** 32 - 1

const schema = v.strictObject({
  kind: v.literal(kind),
  scope: v.optional(v.picklist(['model', 'heads']), 'model'),
  seed: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(largestSeed)), 0),
})

export const hadamardFields: readonly SettingField[] = [
  {
    key: 'scope',
    label: 'What is rotated',
    input: 'choice',
    options: [
      { value: 'model', label: 'hidden states, and values within heads' },
      { value: 'heads', label: 'values within heads alone' },
    ],
    default: 'model',
  },
  {
    key: 'seed',
    label: 'Seed of the random signs',
    input: 'choice',
    options: [0, 1, 2, 3].map((seed) => ({ value: seed, label: String(seed) })),
    default: 0,
  },
]

export function parseHadamard(choice: AxisChoice): HadamardSettings {
  return parseSettings(schema, choice, {
    of: 'the Hadamard rotation',
    remedy: `Use scope "model" or "heads", and a seed from 0 to ${largestSeed}.`,
  })
}

/** `hadamard`, `hadamard-heads`, `hadamard-seed3`. */
export function hadamardLabel({ scope, seed }: HadamardSettings): string {
  return `${kind}${scope === 'heads' ? '-heads' : ''}${seed === 0 ? '' : `-seed${seed}`}`
}

export function hadamardFromLabel(label: string): AxisChoice | null {
  const match = /^hadamard(-heads)?(?:-seed([1-9]\d{0,9}))?$/.exec(label)
  const seed = Number(match?.[2] ?? 0)
  if (match === null || seed > largestSeed) return null
  return { kind, ...(match[1] === undefined ? {} : { scope: 'heads' }), ...(seed === 0 ? {} : { seed }) }
}
