import * as v from 'valibot'
import { type GgmlType, ggmlTypes } from '../../kernels/contract/ggml.ts'
import type { MatrixShape } from '../../kernels/contract/kernels.ts'
import { recipeInvalid } from '../faults.ts'
import type { Grid } from '../grid.ts'

type BlockType = Exclude<GgmlType, 'F32'>

const titles: Readonly<Record<BlockType, string>> = {
  Q8_0: '8 bit, scale a block',
  Q4_1: '4 bit, scale and minimum a block',
  Q4_0: '4 bit, scale a block',
  F16: 'half precision',
}
const types = ['Q8_0', 'Q4_1', 'Q4_0', 'F16'] as const satisfies readonly BlockType[]

const schema = v.strictObject({ kind: v.literal('ggml'), type: v.picklist(types) })

/** What llama-quantize writes when a block does not divide the row (llama-quant.cpp, `tensor_type_fallback`): F16. */
function stored(shape: MatrixShape, type: BlockType): BlockType {
  return shape.columns % ggmlTypes[type].blockSize === 0 ? type : 'F16'
}

/** Levels of a block whose largest magnitude is `limit`, from ggml-quants.c. */
function levels(limit: number, type: BlockType): number[] {
  switch (type) {
    case 'Q8_0':
      return Array.from({ length: 255 }, (_, code) => ((code - 127) / 127) * limit)
    case 'Q4_1':
      return Array.from({ length: 16 }, (_, code) => -limit + (code / 15) * 2 * limit)
    case 'Q4_0':
      return Array.from({ length: 16 }, (_, code) => ((code - 8) / -8) * limit)
    case 'F16':
      return []
  }
}

/** The block types of ggml: what llama.cpp and everything built on it runs. */
const ggml: Grid<{ readonly type: BlockType }> = {
  kind: 'ggml',
  title: 'ggml blocks',
  explanation: 'Blocks of 32 weights with their scale beside them. What GGUF files for llama.cpp hold.',
  isNamedAlone: true,
  fields: [
    {
      key: 'type',
      label: 'Type',
      input: 'choice',
      options: types.map((type) => ({ value: type, label: `${type}, ${titles[type]}` })),
      default: 'Q4_0',
    },
  ],
  exampleLabels: [...types].reverse(),
  parse(choice) {
    const parsed = v.safeParse(schema, choice)
    if (!parsed.success) {
      const [issue] = parsed.issues
      throw recipeInvalid(
        `The ggml grid's ${v.getDotPath(issue) ?? 'setting'} is not possible: ${issue.message}.`,
        `Use one of the types ${types.join(', ')}.`,
      )
    }
    return { type: parsed.output.type }
  },
  label: ({ type }) => type,
  describe: ({ type }) => `${type} (${titles[type]})`,
  fromLabel: (label) => (v.is(v.picklist(types), label) ? { kind: 'ggml', type: label } : null),
  encoding: (shape, { type }) => ({ encoding: 'ggml', type: stored(shape, type) }),
  supports: () => true,
  values: (limit, { type }) => levels(limit, type),
  async quantizeNearest(name, weight, { settings, kernels, signal }) {
    const type = stored(weight, settings.type)
    const blocks = await kernels.quantizeGgml(weight, type, signal)
    return { name, rows: weight.rows, columns: weight.columns, encoding: 'ggml', type, blocks }
  },
}

export default ggml
