import * as v from 'valibot'
import { fixKMeans } from '../fix-k-means.ts'
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

const schema = v.strictObject({
  kind: v.literal('k-means'),
  bits: v.pipe(v.number(), v.integer(), v.minValue(2), v.maxValue(6)),
  group: v.optional(groupSchema, 'channel'),
})

/** A table of values for each row or group, where its weights are; rules in `kernels/contract/k-means.ts`. */
const kMeans: Grid<v.InferOutput<typeof schema>> = {
  kind: 'k-means',
  title: 'k-means tables',
  explanation:
    'A table of values for each row, placed where its weights are (as SqueezeLLM does, by importance where a text was read). Least error for its bits; few runtimes read it.',
  order: 5,
  isNamedAlone: true,
  fields: [
    {
      key: 'bits',
      label: 'Bits',
      input: 'choice',
      options: [6, 5, 4, 3, 2].map((bits) => ({ value: bits, label: `${bits} bit, ${2 ** bits} values` })),
      default: 4,
    },
    groupField('a table', 'channel'),
  ],
  exampleLabels: [2, 3, 4, 5, 6].flatMap((bits) => exampleGroups.map((group) => labelOf({ bits, group }))),
  parse: (choice) => parseSettings(schema, choice, { of: 'the k-means grid', remedy: `Use bits 2 to 6 and ${groupRemedy}.` }),
  label: labelOf,
  describe: ({ bits, group }) => `k-means ${bits} bit, ${groupWords(group, 'a table')}`,
  fromLabel(label) {
    const match = /^kmeans-([2-6])bit(?:-(g\d+))?$/.exec(label)
    const group = groupFromLabel(match?.[2] ?? 'channel')
    return match === null || group === null ? null : { kind: 'k-means', bits: Number(match[1]), group }
  },
  // A table lies where the weights that count are.
  importanceUse: () => 'used',
  encoding: (_shape, { bits, group }) => ({ encoding: 'k-means', bits, group: kernelGroup(group) }),
  supports: () => true,
  values(limit, { bits }) {
    // Quantiles of a bell, the outermost at the limit: what a table looks like, since each follows its own weights.
    const quantile = (code: number): number => Math.log((code + 0.5) / (2 ** bits - code - 0.5))
    return Array.from({ length: 2 ** bits }, (_, code) => Math.max(-limit, limit * (quantile(code) / quantile(2 ** bits - 1))))
  },
  async quantizeNearest(name, weight, { settings: { bits, group }, importance = null, kernels, signal }) {
    const tensor = await kernels.quantizeKMeans(weight, { bits, group: kernelGroup(group) }, { importance }, signal)
    return { name, rows: weight.rows, columns: weight.columns, encoding: 'k-means', kMeans: tensor }
  },
  fixed: (name, weight, { settings: { bits, group }, ...options }) => fixKMeans(name, weight, { bits, group: kernelGroup(group) }, options),
}

export default kMeans

function labelOf({ bits, group }: { readonly bits: number; readonly group: Group }): string {
  return `kmeans-${bits}bit${group === 'channel' ? '' : `-${groupLabel(group)}`}`
}
