import * as v from 'valibot'
import { recipeInvalid } from '../faults.ts'
import type { GridField } from '../grid.ts'
import type { AxisChoice } from '../recipe.ts'

export interface LearnedSettings {
  /** Steps of descent in all; whole rounds of `DescentOptions`. */
  readonly steps: number
}

const kind = 'learned'
const stepChoices = [50, 200, 500]
const defaultSteps = 200

const schema = v.strictObject({ kind: v.literal(kind), steps: v.optional(v.picklist(stepChoices), defaultSteps) })

export const learnedFields: readonly GridField[] = [
  {
    key: 'steps',
    label: 'Steps of descent',
    input: 'choice',
    options: stepChoices.map((steps) => ({ value: steps, label: String(steps) })),
    default: defaultSteps,
  },
]

export function parseLearned(choice: AxisChoice): LearnedSettings {
  const parsed = v.safeParse(schema, choice)
  if (parsed.success) return { steps: parsed.output.steps }
  const [issue] = parsed.issues
  throw recipeInvalid(
    `The ${v.getDotPath(issue) ?? 'setting'} of learned rounding is not possible: ${issue.message}.`,
    `Use steps ${stepChoices.join(', ')}.`,
  )
}

/** `learned`, `learned-500steps`. */
export function learnedLabel({ steps }: LearnedSettings): string {
  return steps === defaultSteps ? kind : `${kind}-${steps}steps`
}

export function learnedFromLabel(label: string): AxisChoice | null {
  const steps = stepChoices.find((candidate) => learnedLabel({ steps: candidate }) === label)
  if (steps === undefined) return null
  return { kind, ...(steps === defaultSteps ? {} : { steps }) }
}
