import * as v from 'valibot'
import type { Grid } from '../grid.ts'
import {
  exampleGroups,
  groupField,
  groupFromLabel,
  groupLabel,
  groupRemedy,
  groupSchema,
  groupWords,
  kernelGroup,
} from '../group-setting.ts'
import { parseSettings } from '../parse-settings.ts'
import { realAffineGrid } from '../real-affine-grid.ts'

const schema = v.strictObject({
  kind: v.literal('hqq'),
  bits: v.pipe(v.number(), v.integer(), v.minValue(2), v.maxValue(8)),
  group: groupSchema,
})

/** Affine codes whose zero point is fitted by half-quadratic splitting; rules in `kernels/contract/real-affine.ts`. */
const hqq: Grid<v.InferOutput<typeof schema>> = {
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
  parse: (choice) => parseSettings(schema, choice, { of: 'the HQQ grid', remedy: `Use bits 2 to 8 and ${groupRemedy}.` }),
  label: ({ bits, group }) => `hqq-${bits}bit-${groupLabel(group)}`,
  describe: ({ bits, group }) => `HQQ ${bits} bit, ${groupWords(group, 'one scale')}`,
  fromLabel(label) {
    const match = /^hqq-([2-8])bit-(.+)$/.exec(label)
    const group = groupFromLabel(match?.[2] ?? '')
    return match === null || group === null ? null : { kind: 'hqq', bits: Number(match[1]), group }
  },
  importanceUse: () => 'ignored',
  values(limit, { bits }) {
    const top = 2 ** bits - 1
    return Array.from({ length: top + 1 }, (_, code) => (2 * code - top) * (limit / top))
  },
  ...realAffineGrid(({ bits, group }) => ({ levels: 2 ** bits, isSymmetric: false, group: kernelGroup(group), fit: 'half-quadratic' })),
}

export default hqq
