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

const schema = v.strictObject({ kind: v.literal('ternary'), group: groupSchema })

/** -1, 0 and 1 times the mean magnitude of each group; rules in `kernels/contract/real-affine.ts`. */
const ternary: Grid<v.InferOutput<typeof schema>> = {
  kind: 'ternary',
  title: '1.58 bit',
  explanation:
    'Minus one, zero and one times the mean magnitude of each group, five weights to a byte. The rule of BitNet b1.58, for models trained by it.',
  order: 8,
  isNamedAlone: false,
  fields: [groupField('a scale', 64)],
  exampleLabels: exampleGroups.map((group) => `1.58bit-${groupLabel(group)}`),
  parse: (choice) => parseSettings(schema, choice, { of: 'the 1.58 bit grid', remedy: `Use ${groupRemedy}.` }),
  label: ({ group }) => `1.58bit-${groupLabel(group)}`,
  describe: ({ group }) => `1.58 bit, ${groupWords(group, 'one scale')}`,
  fromLabel(label) {
    const [, span = ''] = /^1\.58bit-(g\d+|channel)$/.exec(label) ?? []
    const group = groupFromLabel(span)
    return group === null ? null : { kind: 'ternary', group }
  },
  importanceUse: () => 'ignored',
  keepsZero: () => true,
  // Of weights spread evenly up to the limit.
  values: (limit) => [-limit / 2, 0, limit / 2],
  ...realAffineGrid(({ group }) => ({ levels: 3, isSymmetric: true, group: kernelGroup(group), fit: 'mean' })),
}

export default ternary
