import * as v from 'valibot'
import { codeBooks, largestBlock, smallestBlock } from '../../kernels/contract/codebook.ts'
import { fixCodeBook } from '../fix-codebook.ts'
import type { Grid } from '../grid.ts'
import { nestScales, restoreScales } from '../nested-scales.ts'
import { parseSettings } from '../parse-settings.ts'

const books = { nf4: 'NF4, quantiles of the normal distribution', fp4: 'FP4, floats of 4 bits' } as const
type Book = keyof typeof books

interface CodeBookSettings {
  readonly book: Book
  readonly blockSize: number
  readonly isNested: boolean
}

const blockSizes = Array.from({ length: Math.log2(largestBlock / smallestBlock) + 1 }, (_, i) => smallestBlock * 2 ** i)
const defaultBlock = 64

const schema = v.strictObject({
  kind: v.literal('codebook'),
  book: v.picklist(['nf4', 'fp4']),
  block: v.optional(v.picklist(blockSizes), defaultBlock),
  double: v.optional(v.boolean(), false),
})

/** The code books of bitsandbytes; rule in `kernels/contract/codebook.ts`. */
const codebook: Grid<CodeBookSettings> = {
  kind: 'codebook',
  title: 'Code books',
  explanation: 'Sixteen uneven values times the largest weight of a block. What bitsandbytes and QLoRA load.',
  order: 3,
  isNamedAlone: true,
  importanceUse: () => 'ignored',
  fields: [
    {
      key: 'book',
      label: 'Values',
      input: 'choice',
      options: Object.entries(books).map(([value, label]) => ({ value, label })),
      default: 'nf4',
    },
    {
      key: 'block',
      label: 'Weights that share a scale',
      input: 'choice',
      options: blockSizes.map((value) => ({ value, label: `blocks of ${value}` })),
      default: defaultBlock,
    },
    {
      key: 'double',
      label: 'Scales',
      input: 'choice',
      options: [
        { value: false, label: 'in 32 bits' },
        { value: true, label: 'in 8 bits (double quantization)' },
      ],
      default: false,
    },
  ],
  exampleLabels: (['nf4', 'fp4'] as const).flatMap((book) =>
    [false, true].flatMap((isNested) => blockSizes.map((blockSize) => labelOf({ book, blockSize, isNested }))),
  ),
  parse(choice) {
    const { book, block, double } = parseSettings(schema, choice, {
      of: 'the code book',
      remedy: `Use book "nf4" or "fp4", block ${blockSizes.join(', ')}, and double true or false.`,
    })
    return { book, blockSize: block, isNested: double }
  },
  label: labelOf,
  describe({ book, blockSize, isNested }) {
    return `${book.toUpperCase()}, blocks of ${blockSize}${isNested ? ', double quantization' : ''}`
  },
  fromLabel(label) {
    const match = /^(nf4|fp4)(-double)?(?:-b([1-9]\d*))?$/.exec(label)
    if (match === null) return null
    const [, book, double, block] = match
    const choice = { kind: 'codebook', book, block: block === undefined ? defaultBlock : Number(block), double: double !== undefined }
    return v.is(schema, choice) ? choice : null
  },
  encoding: (_shape, { book, blockSize, isNested }) => ({ encoding: 'codebook', book, blockSize, isNested }),
  // Both books have 0 among their values.
  keepsZero: () => true,
  rangeColumns: ({ columns }, { blockSize }) => (columns % blockSize === 0 ? blockSize : null),
  // Blocks run over the end of rows, and the last one may be short.
  supports: () => true,
  values: (limit, { book }) => Array.from(codeBooks[book], (value) => value * limit),
  gentler: ({ book, blockSize, isNested }) =>
    blockSize > defaultBlock
      ? [{ choice: { kind: 'codebook', book, block: defaultBlock, double: isNested }, label: `Blocks of ${defaultBlock}` }]
      : [],
  async quantizeNearest(name, weight, { settings, kernels, signal }) {
    const { rows, columns } = weight
    const { book, blockSize, isNested } = settings
    const codeBook = await kernels.quantizeCodeBook(weight, { book, blockSize }, signal)
    if (!isNested) return { name, rows, columns, encoding: 'codebook', codeBook, nested: null }
    const nested = nestScales(codeBook.scales)
    return { name, rows, columns, encoding: 'codebook', codeBook: { ...codeBook, scales: restoreScales(nested) }, nested }
  },
  fixed: (name, weight, { settings, ...options }) => fixCodeBook(name, weight, settings, options),
}

export default codebook

function labelOf({ book, blockSize, isNested }: CodeBookSettings): string {
  return `${book}${isNested ? '-double' : ''}${blockSize === defaultBlock ? '' : `-b${blockSize}`}`
}
