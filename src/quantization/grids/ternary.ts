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

const schema = v.strictObject({ kind: v.literal('ternary'), group: groupSchema })

/** -1, 0 and 1 times the mean magnitude of each group; rules in `kernels/contract/real-affine.ts`. */
const ternary: Grid<{ readonly group: Group }> = {
  kind: 'ternary',
  title: '1.58 bit',
  explanation:
    'Minus one, zero and one times the mean magnitude of each group, five weights to a byte. The rule of BitNet b1.58, for models trained by it.',
  order: 8,
  isNamedAlone: false,
  fields: [groupField('a scale', 64)],
  exampleLabels: exampleGroups.map((group) => `1.58bit-${groupLabel(group)}`),
  parse(choice) {
    const parsed = v.safeParse(schema, choice)
    if (!parsed.success) {
      const [issue] = parsed.issues
      throw recipeInvalid(
        `The 1.58 bit grid's ${v.getDotPath(issue) ?? 'setting'} is not possible: ${issue.message}.`,
        `Use ${groupRemedy}.`,
      )
    }
    return { group: parsed.output.group }
  },
  label: ({ group }) => `1.58bit-${groupLabel(group)}`,
  describe: ({ group }) => `1.58 bit, ${group === 'channel' ? 'one scale a row' : `groups of ${group}`}`,
  fromLabel(label) {
    const [, span = ''] = /^1\.58bit-(g\d+|channel)$/.exec(label) ?? []
    const group = groupFromLabel(span)
    return group === null ? null : { kind: 'ternary', group }
  },
  importanceUse: () => 'ignored',
  keepsZero: () => true,
  encoding: (_shape, { group }) => ({ encoding: 'real-affine', levels: 3, isSymmetric: true, group: kernelGroup(group) }),
  supports: () => true,
  // Of weights spread evenly up to the limit.
  values: (limit) => [-limit / 2, 0, limit / 2],
  async quantizeNearest(name, weight, { settings: { group }, kernels, signal }) {
    const fit = { levels: 3, isSymmetric: true, group: kernelGroup(group), fit: 'mean' } as const
    const realAffine = await kernels.quantizeRealAffine(weight, fit, signal)
    return { name, rows: weight.rows, columns: weight.columns, encoding: 'real-affine', realAffine }
  },
  fixed: (name, weight, { settings: { group }, ...options }) =>
    fixRealAffine(name, weight, { levels: 3, isSymmetric: true, group: kernelGroup(group), fit: 'mean' }, options),
}

export default ternary
