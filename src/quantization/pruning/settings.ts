import * as v from 'valibot'
import type { SettingField } from '../axis-member.ts'
import { parseSettings } from '../parse-settings.ts'
import type { AxisChoice } from '../recipe.ts'

export interface PruningSettings {
  /** Percent of the weights that become 0, or `2:4`: two of every four neighbours in a row, which sparse tensor cores skip. */
  readonly sparsity: number | '2:4'
}

const least = 5
const most = 95
const usual = 50

const sparsity = v.union([v.pipe(v.number(), v.integer(), v.minValue(least), v.maxValue(most)), v.literal('2:4')])

export const pruningFields: readonly SettingField[] = [
  {
    key: 'sparsity',
    label: 'Weights that become 0',
    input: 'choice',
    options: [
      ...[20, 30, 40, 50, 60, 70, 80].map((percent) => ({ value: percent, label: `${percent} %` })),
      { value: '2:4', label: 'two of every four neighbours' },
    ],
    default: usual,
  },
]

export function parsePruning(kind: string, choice: AxisChoice): PruningSettings {
  return parseSettings(v.strictObject({ kind: v.literal(kind), sparsity: v.optional(sparsity, usual) }), choice, {
    of: 'pruning',
    remedy: `Use sparsity ${least} to ${most} (percent), or "2:4".`,
  })
}

/** `prune50`, `prune2of4`. */
export function pruningLabel(kind: string, settings: PruningSettings): string {
  return `${kind}${settings.sparsity === '2:4' ? '2of4' : settings.sparsity}`
}

/** The inverse, `null` when the text is not one of the labels of `kind`. */
export function pruningFromLabel(kind: string, label: string): AxisChoice | null {
  if (!label.startsWith(kind)) return null
  const text = label.slice(kind.length)
  if (text === '2of4') return { kind, sparsity: '2:4' }
  const choice = { kind, sparsity: /^[1-9]\d?$/.test(text) ? Number(text) : Number.NaN }
  return v.is(sparsity, choice.sparsity) ? choice : null
}
