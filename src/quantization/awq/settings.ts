import * as v from 'valibot'
import type { SettingField } from '../axis-member.ts'
import { recipeInvalid } from '../faults.ts'
import type { AxisChoice } from '../recipe.ts'

export interface AwqSettings {
  /** What scales follow: the inputs and, against them, the weights (AutoAWQ), or the inputs alone (llm-awq). */
  readonly scales: 'inputs-and-weights' | 'inputs'
  /**
   * Where the errors are taken that choose scales for several linears of one input: at the end of their half of the block (attention
   * or MLP), which is run for every candidate (AutoAWQ), or at their own outputs, from G alone.
   */
  readonly loss: 'halves' | 'linears'
  /** Whether ranges of groups are then narrowed where that loses less. */
  readonly isClipped: boolean
}

const kind = 'awq'

const schema = v.strictObject({
  kind: v.literal(kind),
  scales: v.optional(v.picklist(['inputs-and-weights', 'inputs']), 'inputs-and-weights'),
  loss: v.optional(v.picklist(['halves', 'linears']), 'halves'),
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
    key: 'loss',
    label: 'Scales lose least',
    input: 'choice',
    options: [
      { value: 'halves', label: 'at the end of attention and MLP' },
      { value: 'linears', label: 'at the outputs of the linears, faster' },
    ],
    default: 'halves',
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
      'Use scales "inputs-and-weights" or "inputs", loss "halves" or "linears", and clip true or false.',
    )
  }
  const { scales, loss, clip } = parsed.output
  return { scales, loss, isClipped: clip }
}

/** `awq`, then `-plain`, `-linears` and `-noclip` where it is not the default. */
export function awqLabel({ scales, loss, isClipped }: AwqSettings): string {
  return `awq${scales === 'inputs' ? '-plain' : ''}${loss === 'linears' ? '-linears' : ''}${isClipped ? '' : '-noclip'}`
}

export function awqFromLabel(label: string): AxisChoice | null {
  const match = /^awq(-plain)?(-linears)?(-noclip)?$/.exec(label)
  if (match === null) return null
  const [, plain, linears, noclip] = match
  return {
    kind,
    ...(plain === undefined ? {} : { scales: 'inputs' }),
    ...(linears === undefined ? {} : { loss: 'linears' }),
    ...(noclip === undefined ? {} : { clip: false }),
  }
}
