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

interface BinarySettings {
  readonly group: Group
  readonly isSymmetric: boolean
}

const schema = v.strictObject({ kind: v.literal('binary'), group: groupSchema, symmetric: v.optional(v.boolean(), false) })

/** Two values for each group at their least-squares distance; rules in `kernels/contract/real-affine.ts`. */
const binary: Grid<BinarySettings> = {
  kind: 'binary',
  title: '1 bit',
  explanation:
    'Two values for each group of weights, the mean magnitude above and below their mean or zero. For models trained for it, or to see the limit.',
  order: 9,
  isNamedAlone: false,
  fields: [
    groupField('two values', 64),
    {
      key: 'symmetric',
      label: 'Values',
      input: 'choice',
      options: [
        { value: false, label: 'about the mean' },
        { value: true, label: 'about zero (XNOR-Net)' },
      ],
      default: false,
    },
  ],
  exampleLabels: exampleGroups.flatMap((group) => [`1bit-${groupLabel(group)}`, `1bit-${groupLabel(group)}-sym`]),
  parse(choice) {
    const parsed = v.safeParse(schema, choice)
    if (!parsed.success) {
      const [issue] = parsed.issues
      throw recipeInvalid(
        `The 1 bit grid's ${v.getDotPath(issue) ?? 'setting'} is not possible: ${issue.message}.`,
        `Use ${groupRemedy}, and symmetric true or false.`,
      )
    }
    return { group: parsed.output.group, isSymmetric: parsed.output.symmetric }
  },
  label: ({ group, isSymmetric }) => `1bit-${groupLabel(group)}${isSymmetric ? '-sym' : ''}`,
  describe: ({ group, isSymmetric }) =>
    `1 bit${isSymmetric ? ' symmetric' : ''}, ${group === 'channel' ? 'two values a row' : `groups of ${group}`}`,
  fromLabel(label) {
    const match = /^1bit-(g\d+|channel)(-sym)?$/.exec(label)
    const group = groupFromLabel(match?.[1] ?? '')
    return match === null || group === null ? null : { kind: 'binary', group, symmetric: match[2] !== undefined }
  },
  importanceUse: () => 'ignored',
  encoding: (_shape, { group, isSymmetric }) => ({ encoding: 'real-affine', levels: 2, isSymmetric, group: kernelGroup(group) }),
  supports: () => true,
  // Of weights spread evenly up to the limit.
  values: (limit) => [-limit / 2, limit / 2],
  async quantizeNearest(name, weight, { settings: { group, isSymmetric }, kernels, signal }) {
    const fit = { levels: 2, isSymmetric, group: kernelGroup(group), fit: 'mean' } as const
    const realAffine = await kernels.quantizeRealAffine(weight, fit, signal)
    return { name, rows: weight.rows, columns: weight.columns, encoding: 'real-affine', realAffine }
  },
  fixed: (name, weight, { settings: { group, isSymmetric }, ...options }) =>
    fixRealAffine(name, weight, { levels: 2, isSymmetric, group: kernelGroup(group), fit: 'mean' }, options),
}

export default binary
