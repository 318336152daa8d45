import * as v from 'valibot'
import type { Grid } from '../grid.ts'
import {
  exampleGroups,
  type Group,
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
    const { group, symmetric } = parseSettings(schema, choice, {
      of: 'the 1 bit grid',
      remedy: `Use ${groupRemedy}, and symmetric true or false.`,
    })
    return { group, isSymmetric: symmetric }
  },
  label: ({ group, isSymmetric }) => `1bit-${groupLabel(group)}${isSymmetric ? '-sym' : ''}`,
  describe: ({ group, isSymmetric }) => `1 bit${isSymmetric ? ' symmetric' : ''}, ${groupWords(group, 'two values')}`,
  fromLabel(label) {
    const match = /^1bit-(g\d+|channel)(-sym)?$/.exec(label)
    const group = groupFromLabel(match?.[1] ?? '')
    return match === null || group === null ? null : { kind: 'binary', group, symmetric: match[2] !== undefined }
  },
  importanceUse: () => 'ignored',
  // Of weights spread evenly up to the limit.
  values: (limit) => [-limit / 2, limit / 2],
  ...realAffineGrid(({ group, isSymmetric }) => ({ levels: 2, isSymmetric, group: kernelGroup(group), fit: 'mean' })),
}

export default binary
