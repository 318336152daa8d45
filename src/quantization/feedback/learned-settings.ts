import * as v from 'valibot'
import type { SettingField } from '../axis-member.ts'
import { recipeInvalid } from '../faults.ts'
import type { AxisChoice } from '../recipe.ts'
import { crossTermField } from './settings.ts'

export interface LearnedSettings {
  /** Steps of descent in all; whole rounds of `DescentOptions`. */
  readonly steps: number
  /** As in error feedback: codes and scales are learned for weights that make up for the errors of the layers before. */
  readonly hasCrossTerm: boolean
}

const kind = 'learned'
const stepChoices = [50, 200, 500]
const defaultSteps = 200

const schema = v.strictObject({
  kind: v.literal(kind),
  steps: v.optional(v.picklist(stepChoices), defaultSteps),
  crossTerm: v.optional(v.boolean(), false),
})

export const learnedFields: readonly SettingField[] = [
  {
    key: 'steps',
    label: 'Steps of descent',
    input: 'choice',
    options: stepChoices.map((steps) => ({ value: steps, label: String(steps) })),
    default: defaultSteps,
  },
  crossTermField,
]

export function parseLearned(choice: AxisChoice): LearnedSettings {
  const parsed = v.safeParse(schema, choice)
  if (parsed.success) return { steps: parsed.output.steps, hasCrossTerm: parsed.output.crossTerm }
  const [issue] = parsed.issues
  throw recipeInvalid(
    `The ${v.getDotPath(issue) ?? 'setting'} of learned rounding is not possible: ${issue.message}.`,
    `Use steps ${stepChoices.join(', ')}, and crossTerm true or false.`,
  )
}

/** `learned`, `learned-500steps`, `learned-cross`. */
export function learnedLabel({ steps, hasCrossTerm }: LearnedSettings): string {
  return `${kind}${steps === defaultSteps ? '' : `-${steps}steps`}${hasCrossTerm ? '-cross' : ''}`
}

export function learnedFromLabel(label: string): AxisChoice | null {
  for (const steps of stepChoices) {
    for (const hasCrossTerm of [false, true]) {
      if (label !== learnedLabel({ steps, hasCrossTerm })) continue
      return { kind, ...(steps === defaultSteps ? {} : { steps }), ...(hasCrossTerm ? { crossTerm: true } : {}) }
    }
  }
  return null
}
