import * as v from 'valibot'
import { type GgmlType, ggmlTypes } from '../../kernels/contract/ggml.ts'
import type { MatrixShape } from '../../kernels/contract/kernels.ts'
import { canFixBlocks, fixBlocks } from '../ggml-blocks/fix-blocks.ts'
import type { Grid } from '../grid.ts'
import { parseSettings } from '../parse-settings.ts'

type BlockType = Exclude<GgmlType, 'F32'>

interface TypeFacts {
  readonly title: string
  /** What takes its place in rows that its blocks do not divide (llama-quant.cpp, `tensor_type_fallback`); else F16. */
  readonly fallback?: BlockType
  /** Values around a histogram of limit 1: those of a block whose largest magnitude is 1. */
  readonly levels: readonly number[]
}

const range = (count: number): readonly number[] => Array.from({ length: count }, (_, code) => code)
/** 2^(bits - 1) on the side of the largest weight, one less on the other. */
const signed = (bits: number): readonly number[] => range(2 ** bits).map((code) => code / 2 ** (bits - 1) - 1)
/** Steps from the least to the largest weight. */
const spread = (bits: number): readonly number[] => range(2 ** bits).map((code) => (2 * code) / (2 ** bits - 1) - 1)
const ternary = [-1, 0, 1]
const iq4 = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113].map((level) => level / 127)
/** Of the code book types every single weight has all these levels; only some combinations are in the book. */
const iq3 = [-62, -52, -44, -36, -28, -20, -12, -4, 4, 12, 20, 28, 36, 44, 52, 62].map((level) => level / 62)
const iq3s = range(16).map((code) => (2 * code - 15) / 15)
const iq2 = [-43, -25, -8, 8, 25, 43].map((level) => level / 43)
const iq1 = [-9, -7, -1, 1, 7, 9].map((level) => level / 9)
const fp4 = [-6, -4, -3, -2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2, 3, 4, 6].map((level) => level / 6)

/** From most bits to fewest; every type of llama.cpp that the kernels write. */
const facts: Readonly<Record<BlockType, TypeFacts>> = {
  F16: { title: 'half precision', levels: [] },
  Q8_0: { title: '8 bit, a scale for 32', levels: range(255).map((code) => (code - 127) / 127) },
  Q6_K: { title: '6 bit, scales for 16 in blocks of 256', fallback: 'Q8_0', levels: signed(6) },
  Q5_K: { title: '5 bit, scales and minimums for 32 in blocks of 256', fallback: 'Q5_1', levels: spread(5) },
  Q5_1: { title: '5 bit, scale and minimum for 32', levels: spread(5) },
  Q5_0: { title: '5 bit, a scale for 32', levels: signed(5) },
  Q4_K: { title: '4 bit, scales and minimums for 32 in blocks of 256', fallback: 'Q5_0', levels: spread(4) },
  Q4_1: { title: '4 bit, scale and minimum for 32', levels: spread(4) },
  Q4_0: { title: '4 bit, a scale for 32', levels: signed(4) },
  IQ4_NL: { title: '4 bit, uneven steps, a scale for 32', levels: iq4 },
  IQ4_XS: { title: '4 bit, uneven steps, scales for 32 in blocks of 256', fallback: 'IQ4_NL', levels: iq4 },
  MXFP4: { title: '4 bit floats, a power of two for 32', levels: fp4 },
  NVFP4: { title: '4 bit floats, an 8 bit float for 16', levels: fp4 },
  IQ3_S: { title: '3.4 bit, points of 4 from a book of 512, scales for 32', fallback: 'IQ4_NL', levels: iq3s },
  Q3_K: { title: '3 bit, scales for 16 in blocks of 256', fallback: 'Q4_0', levels: signed(3) },
  IQ3_XXS: { title: '3.1 bit, points of 4 from a book of 256, scales for 32', fallback: 'IQ4_NL', levels: iq3 },
  Q2_K: { title: '2 bit, scales and minimums for 16 in blocks of 256', fallback: 'Q4_0', levels: spread(2) },
  IQ2_S: { title: '2.6 bit, points of 8 from a book of 1024, scales for 16', fallback: 'IQ4_NL', levels: iq2 },
  IQ2_XS: { title: '2.3 bit, points of 8 from a book of 512, scales for 16', fallback: 'IQ4_NL', levels: iq2 },
  IQ2_XXS: { title: '2.1 bit, points of 8 from a book of 256, scales for 32', fallback: 'IQ4_NL', levels: iq2 },
  TQ2_0: { title: '-1, 0 and 1 in 2 bit, a scale for 256', fallback: 'Q4_0', levels: ternary },
  IQ1_M: { title: '1.8 bit, points of 8 from a book of 2048, scales for 16', fallback: 'IQ4_NL', levels: iq1 },
  TQ1_0: { title: '-1, 0 and 1 in 1.7 bit, a scale for 256', fallback: 'Q4_0', levels: ternary },
  IQ1_S: { title: '1.6 bit, points of 8 from a book of 2048, scales for 32', fallback: 'IQ4_NL', levels: iq1 },
}
const types = Object.keys(facts) as BlockType[]

/** Types whose scale follows from the largest weight of a block, without a search. */
const unsearched: ReadonlySet<BlockType> = new Set(['F16', 'Q8_0', 'MXFP4', 'NVFP4', 'TQ1_0', 'TQ2_0'])

/** Types in which code and scale of a 0 give exactly 0: no minimum beside the scale, no table without a 0. So have their fallbacks. */
const zeroKeeping: ReadonlySet<BlockType> = new Set(['F16', 'Q4_0', 'Q5_0', 'Q8_0', 'Q3_K', 'Q6_K', 'TQ1_0', 'TQ2_0', 'MXFP4', 'NVFP4'])

const schema = v.strictObject({ kind: v.literal('ggml'), type: v.picklist(types) })

/** What llama-quantize writes when blocks do not divide the row: the fallback, and F16 when it does not fit either. */
function stored({ columns }: MatrixShape, type: BlockType): BlockType {
  const fits = (candidate: BlockType): boolean => columns % ggmlTypes[candidate].blockSize === 0
  if (fits(type)) return type
  const { fallback } = facts[type]
  return fallback !== undefined && fits(fallback) ? fallback : 'F16'
}

/** The block types of ggml: what llama.cpp and everything built on it runs. */
const ggml: Grid<v.InferOutput<typeof schema>> = {
  kind: 'ggml',
  title: 'ggml blocks',
  explanation: 'Blocks of 32 or 256 weights with their scales beside them. What GGUF files for llama.cpp hold.',
  order: 2,
  isNamedAlone: true,
  fields: [
    {
      key: 'type',
      label: 'Type',
      input: 'choice',
      options: types.map((type) => ({ value: type, label: `${type}, ${facts[type].title}` })),
      default: 'Q4_K',
    },
  ],
  exampleLabels: [...types].reverse(),
  parse: (choice) => parseSettings(schema, choice, { of: 'the ggml grid', remedy: `Use one of the types ${types.join(', ')}.` }),
  label: ({ type }) => type,
  describe: ({ type }) => `${type} (${facts[type].title})`,
  fromLabel: (label) => (v.is(v.picklist(types), label) ? { kind: 'ggml', type: label } : null),
  importanceUse({ type }) {
    if (ggmlTypes[type].needsImportance === true) return 'required'
    return unsearched.has(type) ? 'ignored' : 'used'
  },
  keepsZero: ({ type }) => zeroKeeping.has(type),
  encoding: (shape, { type }) => ({ encoding: 'ggml', type: stored(shape, type) }),
  supports: () => true,
  values: (limit, { type }) => facts[type].levels.map((level) => level * limit),
  async quantizeStored(name, source, { settings, kernels, signal }) {
    const type = stored(source, settings.type)
    const { blocks, sums } = await kernels.quantizeStored(source, type, signal)
    return { tensor: { name, rows: source.rows, columns: source.columns, encoding: 'ggml', type, blocks }, sums }
  },
  async quantizeNearest(name, weight, { settings, importance = null, kernels, signal }) {
    const type = stored(weight, settings.type)
    const blocks = await kernels.quantizeGgml(weight, type, { importance }, signal)
    return { name, rows: weight.rows, columns: weight.columns, encoding: 'ggml', type, blocks }
  },
  fixed: (name, weight, { settings, ...options }) => fixBlocks(name, weight, stored(weight, settings.type), options),
  canFix: ({ type }) => canFixBlocks(type),
}

export default ggml
