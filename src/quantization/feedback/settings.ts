import * as v from 'valibot'
import type { SettingField } from '../axis-member.ts'
import { recipeInvalid } from '../faults.ts'
import type { AxisChoice } from '../recipe.ts'

export interface FeedbackSettings {
  /** Added to the diagonal of G, as a share of its mean. */
  readonly damping: number
  /**
   * In which order columns are rounded: as they come; the most used first (`act-order`); or the most used first within each
   * group and groups by their most used column, so that groups stay together (`group-aware`).
   */
  readonly order: 'columns' | 'act-order' | 'group-aware'
  /** Scales of groups: fitted when their turn comes, or all before. With act-order they are always fitted before. */
  readonly scales: 'on the way' | 'before'
  readonly isTrueSequential: boolean
  /**
   * Whether weights first move to where their outputs on the recipe's own inputs are nearest to those of the float model, so
   * that this linear makes up for what the ones before it lost; see `cross-term.ts`.
   */
  readonly hasCrossTerm: boolean
  /** Columns that wait for each other before the rest of the row hears of their errors. */
  readonly block: number
}

const kind = 'gptq'

const schema = v.strictObject({
  kind: v.literal(kind),
  damping: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1)), 0.01),
  order: v.optional(v.picklist(['columns', 'act-order', 'group-aware']), 'columns'),
  staticGroups: v.optional(v.boolean(), false),
  trueSequential: v.optional(v.boolean(), true),
  crossTerm: v.optional(v.boolean(), false),
  block: v.optional(v.picklist([32, 64, 128]), 128),
})

export const crossTermField: SettingField = {
  key: 'crossTerm',
  label: 'Errors of the layers before',
  input: 'choice',
  options: [
    { value: false, label: 'left as they are' },
    { value: true, label: 'made up for (the calibration runs twice)' },
  ],
  default: false,
}

export const feedbackFields: readonly SettingField[] = [
  {
    key: 'order',
    label: 'Order of columns',
    input: 'choice',
    options: [
      { value: 'columns', label: 'as they come' },
      { value: 'act-order', label: 'most used first' },
      { value: 'group-aware', label: 'most used first, groups kept together' },
    ],
    default: 'columns',
  },
  {
    key: 'damping',
    label: 'Damping',
    input: 'choice',
    options: [0.001, 0.01, 0.05, 0.1].map((damping) => ({ value: damping, label: `${100 * damping} %` })),
    default: 0.01,
  },
  {
    key: 'staticGroups',
    label: 'Scales of groups',
    input: 'choice',
    options: [
      { value: false, label: "fitted when a group's turn comes" },
      { value: true, label: 'all fitted before' },
    ],
    default: false,
  },
  {
    key: 'trueSequential',
    label: 'Inputs of later linears in a block',
    input: 'choice',
    options: [
      { value: true, label: 'with the earlier ones quantized' },
      { value: false, label: 'in float' },
    ],
    default: true,
  },
  crossTermField,
  {
    key: 'block',
    label: 'Columns in a block',
    input: 'choice',
    options: [128, 64, 32].map((block) => ({ value: block, label: String(block) })),
    default: 128,
  },
]

export function parseFeedback(choice: AxisChoice): FeedbackSettings {
  const parsed = v.safeParse(schema, choice)
  if (!parsed.success) {
    const [issue] = parsed.issues
    throw recipeInvalid(
      `The ${v.getDotPath(issue) ?? 'setting'} of error feedback is not possible: ${issue.message}.`,
      'Use damping 0 to 1, order "columns", "act-order" or "group-aware", staticGroups, trueSequential and crossTerm true or false, block 32, 64 or 128.',
    )
  }
  const { damping, order, staticGroups, trueSequential, crossTerm, block } = parsed.output
  const scales = staticGroups ? 'before' : 'on the way'
  return { damping, order, scales, isTrueSequential: trueSequential, hasCrossTerm: crossTerm, block }
}

const orderWords = { columns: '', 'act-order': '-actorder', 'group-aware': '-gar' } as const

/** `gptq`, `gptq-actorder`, `gptq-gar-static-cross`: order, scales and cross term, which change what a file holds. */
export function feedbackLabel({ order, scales, hasCrossTerm }: Pick<FeedbackSettings, 'order' | 'scales' | 'hasCrossTerm'>): string {
  return `gptq${orderWords[order]}${scales === 'before' ? '-static' : ''}${hasCrossTerm ? '-cross' : ''}`
}

export function feedbackFromLabel(label: string): AxisChoice | null {
  const match = /^gptq(-actorder|-gar)?(-static)?(-cross)?$/.exec(label)
  if (match === null) return null
  const [, word = '', isStatic, isCross] = match
  const order = (['columns', 'act-order', 'group-aware'] as const).find((candidate) => orderWords[candidate] === word)
  return {
    kind,
    ...(order === 'columns' ? {} : { order }),
    ...(isStatic === undefined ? {} : { staticGroups: true }),
    ...(isCross === undefined ? {} : { crossTerm: true }),
  }
}
