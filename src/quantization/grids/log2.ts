import * as v from 'valibot'
import { codeBooks } from '../../kernels/contract/codebook.ts'
import { fixCodeBook } from '../fix-codebook.ts'
import type { Grid } from '../grid.ts'
import { parseSettings } from '../parse-settings.ts'

const groups = [32, 64, 128, 256]
const defaultGroup = 64

const schema = v.strictObject({ kind: v.literal('log2'), group: v.optional(v.picklist(groups), defaultGroup) })

/** Zero and signed powers of two: a product is a shift of the other factor. Values in `kernels/contract/codebook.ts`. */
const log2: Grid<{ readonly group: number }> = {
  kind: 'log2',
  title: 'Powers of two',
  explanation:
    'Zero and the largest weight of a group halved up to six times: multiplying is shifting. Fine near zero, coarse far from it.',
  order: 7,
  isNamedAlone: true,
  importanceUse: () => 'ignored',
  fields: [
    {
      key: 'group',
      label: 'Weights that share a scale',
      input: 'choice',
      options: groups.map((value) => ({ value, label: `groups of ${value}` })),
      default: defaultGroup,
    },
  ],
  exampleLabels: groups.map((group) => labelOf({ group })),
  parse: (choice) => parseSettings(schema, choice, { of: 'the power-of-two grid', remedy: `Use group ${groups.join(', ')}.` }),
  label: labelOf,
  describe: ({ group }) => `powers of two, 4 bit, groups of ${group}`,
  fromLabel(label) {
    const match = /^log2-4bit-g([1-9]\d*)$/.exec(label)
    const choice = { kind: 'log2', group: Number(match?.[1]) }
    return v.is(schema, choice) ? choice : null
  },
  keepsZero: () => true,
  encoding: (_shape, { group }) => ({ encoding: 'codebook', book: 'log2', blockSize: group, isNested: false }),
  // Groups run over the end of rows, and the last one may be short.
  supports: () => true,
  values: (limit) => Array.from(codeBooks.log2, (value) => value * limit),
  async quantizeNearest(name, weight, { settings, kernels, signal }) {
    const codeBook = await kernels.quantizeCodeBook(weight, { book: 'log2', blockSize: settings.group }, signal)
    return { name, rows: weight.rows, columns: weight.columns, encoding: 'codebook', codeBook, nested: null }
  },
  fixed: (name, weight, { settings, ...options }) =>
    fixCodeBook(name, weight, { book: 'log2', blockSize: settings.group, isNested: false }, options),
}

export default log2

function labelOf({ group }: { readonly group: number }): string {
  return `log2-4bit-g${group}`
}
