import * as v from 'valibot'
import { recipeInvalid } from '../faults.ts'
import { fixRealAffine } from '../fix-real-affine.ts'
import type { Grid } from '../grid.ts'
import {
  exampleGroups,
  type Group,
  groupField,
  groupFromLabel,
  groupLabel,
  groupRemedy,
  groupSchema,
  kernelGroup,
} from '../group-setting.ts'

interface HqqSettings {
  readonly bits: number
  readonly group: Group
}

const schema = v.strictObject({
  kind: v.literal('hqq'),
  bits: v.pipe(v.number(), v.integer(), v.minValue(2), v.maxValue(8)),
  group: groupSchema,
})

/** Affine codes whose zero point is fitted by half-quadratic splitting; rules in `kernels/contract/real-affine.ts`. */
const hqq: Grid<HqqSettings> = {
  kind: 'hqq',
  title: 'HQQ',
  explanation:
    'Evenly spaced values placed between codes where the error is least: a fitted, fractional zero point for each group. Needs no text.',
  order: 6,
  isNamedAlone: true,
  fields: [
    {
      key: 'bits',
      label: 'Bits',
      input: 'choice',
      options: [8, 6, 5, 4, 3, 2].map((bits) => ({ value: bits, label: `${bits} bit` })),
      default: 4,
    },
    groupField('a scale and a zero point', 64),
  ],
  exampleLabels: [2, 3, 4, 5, 6, 7, 8].flatMap((bits) => exampleGroups.map((group) => `hqq-${bits}bit-${groupLabel(group)}`)),
  parse(choice) {
    const parsed = v.safeParse(schema, choice)
    if (!parsed.success) {
      const [issue] = parsed.issues
      throw recipeInvalid(
        `The HQQ grid's ${v.getDotPath(issue) ?? 'setting'} is not possible: ${issue.message}.`,
        `Use bits 2 to 8 and ${groupRemedy}.`,
      )
    }
    return { bits: parsed.output.bits, group: parsed.output.group }
  },
  label: ({ bits, group }) => `hqq-${bits}bit-${groupLabel(group)}`,
  describe: ({ bits, group }) => `HQQ ${bits} bit, ${group === 'channel' ? 'one scale a row' : `groups of ${group}`}`,
  fromLabel(label) {
    const match = /^hqq-([2-8])bit-(.+)$/.exec(label)
    const group = groupFromLabel(match?.[2] ?? '')
    return match === null || group === null ? null : { kind: 'hqq', bits: Number(match[1]), group }
  },
  importanceUse: () => 'ignored',
  encoding: (_shape, { bits, group }) => ({ encoding: 'real-affine', levels: 2 ** bits, isSymmetric: false, group: kernelGroup(group) }),
  supports: () => true,
  values(limit, { bits }) {
    const top = 2 ** bits - 1
    return Array.from({ length: top + 1 }, (_, code) => (2 * code - top) * (limit / top))
  },
  async quantizeNearest(name, weight, { settings: { bits, group }, kernels, signal }) {
    const fit = { levels: 2 ** bits, isSymmetric: false, group: kernelGroup(group), fit: 'half-quadratic' } as const
    const realAffine = await kernels.quantizeRealAffine(weight, fit, signal)
    return { name, rows: weight.rows, columns: weight.columns, encoding: 'real-affine', realAffine }
  },
  fixed: (name, weight, { settings: { bits, group }, ...options }) =>
    fixRealAffine(name, weight, { levels: 2 ** bits, isSymmetric: false, group: kernelGroup(group), fit: 'half-quadratic' }, options),
}

export default hqq
