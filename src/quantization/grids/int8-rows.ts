import * as v from 'valibot'
import type { Grid } from '../grid.ts'
import { parseSettings } from '../parse-settings.ts'

interface Int8RowsSettings {
  readonly activations: 'float' | 'int8'
  /** Magnitude from which a column of the input stays float. */
  readonly threshold: number
}

const defaultThreshold = 6
/** Below it nearly every column of a real model would be an outlier. */
const smallestThreshold = 1
const largestThreshold = 1000

const schema = v.strictObject({
  kind: v.literal('int8-rows'),
  activations: v.optional(v.picklist(['float', 'int8']), 'float'),
  threshold: v.optional(v.pipe(v.number(), v.minValue(smallestThreshold), v.maxValue(largestThreshold)), defaultThreshold),
})

/** The weights of LLM.int8(), and its activations when asked for; rules in `kernels/contract/{int8-rows,activations}.ts`. */
const int8Rows: Grid<Int8RowsSettings> = {
  kind: 'int8-rows',
  title: 'int8 rows',
  explanation: 'Whole numbers of 8 bits with one scale a row. With 8-bit inputs this is LLM.int8() of bitsandbytes.',
  order: 4,
  isNamedAlone: true,
  importanceUse: () => 'ignored',
  fields: [
    {
      key: 'activations',
      label: 'Inputs of the linears',
      input: 'choice',
      options: [
        { value: 'float', label: 'stay float' },
        { value: 'int8', label: '8 bit a token, outlier columns float' },
      ],
      default: 'float',
    },
    {
      key: 'threshold',
      label: 'Outliers begin at',
      input: 'choice',
      options: [3, 4, 5, 6, 8, 12].map((value) => ({ value, label: `magnitude ${value}` })),
      default: defaultThreshold,
    },
  ],
  exampleLabels: ['int8-rows', 'llm-int8'],
  parse: (choice) =>
    parseSettings(schema, choice, {
      of: 'the int8 grid',
      remedy: `Use activations "float" or "int8", and threshold ${smallestThreshold} to ${largestThreshold}.`,
    }),
  label({ activations, threshold }) {
    if (activations === 'float') return 'int8-rows'
    return threshold === defaultThreshold ? 'llm-int8' : `llm-int8-t${threshold}`
  },
  describe({ activations, threshold }) {
    return activations === 'float' ? 'int8 rows' : `int8 rows, 8-bit inputs, outliers from ${threshold}`
  },
  fromLabel(label) {
    if (label === 'int8-rows') return { kind: 'int8-rows', activations: 'float' }
    const match = /^llm-int8(?:-t(\d+(?:\.\d+)?))?$/.exec(label)
    if (match === null) return null
    const choice = { kind: 'int8-rows', activations: 'int8', threshold: match[1] === undefined ? defaultThreshold : Number(match[1]) }
    return v.is(schema, choice) ? choice : null
  },
  keepsZero: () => true,
  rangeColumns: ({ columns }) => columns,
  encoding: () => ({ encoding: 'int8-rows' }),
  supports: () => true,
  activations({ activations, threshold }) {
    return activations === 'float' ? { kind: 'none' } : { kind: 'int8-rows', outlierThreshold: threshold }
  },
  values: (limit) => Array.from({ length: 255 }, (_, code) => ((code - 127) / 127) * limit),
  async quantizeNearest(name, weight, { kernels, signal }) {
    const { rows, columns } = weight
    return { name, rows, columns, encoding: 'int8-rows', int8Rows: await kernels.quantizeInt8Rows(weight, signal) }
  },
}

export default int8Rows
