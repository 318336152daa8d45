import * as v from 'valibot'
import type { SettingField } from '../axis-member.ts'
import { recipeInvalid } from '../faults.ts'
import type { AxisChoice } from '../recipe.ts'

export interface AwqSettings {
  /** What scales follow: the inputs and, against them, the weights (AutoAWQ), or the inputs alone (llm-awq). */
  readonly scales: 'inputs-and-weights' | 'inputs'
  /** Whether ranges of groups are then narrowed where that loses less. */
  readonly isClipped: boolean
}

const kind = 'awq'

const schema = v.strictObject({
  kind: v.literal(kind),
  scales: v.optional(v.picklist(['inputs-and-weights', 'inputs']), 'inputs-and-weights'),
  clip: v.optional(v.boolean(), true),
})

export const awqFields: readonly SettingField[] = [
  {
    key: 'scales',
    label: 'Scales follow',
    input: 'choice',
    options: [
      { value: 'inputs-and-weights', label: 'inputs, and weights against them' },
      { value: 'inputs', label: 'inputs alone' },
    ],
    default: 'inputs-and-weights',
  },
  {
    key: 'clip',
    label: 'Range of groups',
    input: 'choice',
    options: [
      { value: true, label: 'narrowed where that loses less' },
      { value: false, label: 'as wide as the weights' },
    ],
    default: true,
  },
]

export function parseAwq(choice: AxisChoice): AwqSettings {
  const parsed = v.safeParse(schema, choice)
  if (!parsed.success) {
    const [issue] = parsed.issues
    throw recipeInvalid(
      `The ${v.getDotPath(issue) ?? 'setting'} of AWQ is not possible: ${issue.message}.`,
      'Use scales "inputs-and-weights" or "inputs", and clip true or false.',
    )
  }
  return { scales: parsed.output.scales, isClipped: parsed.output.clip }
}

/** `awq`, `awq-plain`, `awq-noclip`, `awq-plain-noclip`. */
export function awqLabel({ scales, isClipped }: AwqSettings): string {
  return `awq${scales === 'inputs' ? '-plain' : ''}${isClipped ? '' : '-noclip'}`
}

export function awqFromLabel(label: string): AxisChoice | null {
  const match = /^awq(-plain)?(-noclip)?$/.exec(label)
  if (match === null) return null
  return { kind, ...(match[1] === undefined ? {} : { scales: 'inputs' }), ...(match[2] === undefined ? {} : { clip: false }) }
}
