import type { OnnxType } from '../../formats/onnx/model.ts'
import { type CodeBookName, largestBlock as largestBookBlock } from '../../kernels/contract/codebook.ts'
import type { ModelGraph } from '../../models/model-graph.ts'
import type { GridEncoding } from '../../quantization/quantized-tensor.ts'
import { encodings as storage } from '../../quantization/registry.ts'
import type { ExportFacts } from '../target.ts'
import { type NBits, nbitsOf } from './nbits.ts'

/** Type of activations, scales and whatever is on no grid. */
export type FloatType = Extract<OnnxType, 'float' | 'float16'>

/** How one matrix of the checkpoint appears in the graph. */
export type PlannedMatrix = { readonly name: string; readonly rows: number; readonly columns: number } & (
  | { readonly form: 'float' }
  | { readonly form: 'nbits'; readonly setting: NBits }
  /** Of blocks larger than the operator knows, each part has the scale of the whole. */
  | { readonly form: 'bnb4'; readonly book: Exclude<CodeBookName, 'log2'>; readonly block: number }
)

/** The largest that the operator on the processor knows. */
const largestBnb4Block = 256

/** Every matrix of the model by checkpoint name, in the order of execution, or why one of them has no form here. */
export function planMatrices(facts: ExportFacts): ReadonlyMap<string, PlannedMatrix> | { readonly refusal: string } {
  const { graph } = facts
  const planned = new Map<string, PlannedMatrix>()
  for (const { name, rows, columns } of matrices(graph)) {
    const encoding = facts.encodings.get(name)
    const form = formOf(encoding, columns, name === graph.embedding.name)
    if ('refusal' in form) {
      const described =
        encoding === undefined || encoding.encoding === 'source' ? 'floats' : storage.get(encoding.encoding).describe(encoding)
      return { refusal: `${name} is in ${described}. ${form.refusal}` }
    }
    planned.set(name, { name, rows, columns, ...form })
  }
  return planned
}

function matrices({ blocks, embedding, head }: ModelGraph) {
  const linears = blocks.flatMap((block) =>
    block.linears.map(({ weight, outFeatures, inFeatures }) => ({ name: weight, rows: outFeatures, columns: inFeatures })),
  )
  const outer = [embedding, ...(head === null ? [] : [head])].map(({ name, shape: [rows = 0, columns = 0] }) => ({ name, rows, columns }))
  return [...outer, ...linears]
}

type Form =
  | { readonly form: 'float' }
  | { readonly form: 'nbits'; readonly setting: NBits }
  | { readonly form: 'bnb4'; readonly book: Exclude<CodeBookName, 'log2'>; readonly block: number }
  | { readonly refusal: string }

function formOf(encoding: ReturnType<ExportFacts['encodings']['get']>, columns: number, isGathered: boolean): Form {
  if (encoding === undefined || isFloat(encoding)) return { form: 'float' }
  if (encoding.encoding === 'codebook' && !isGathered) {
    const { book, blockSize } = encoding
    if (book === 'log2') return { refusal: 'ONNX has no operator for powers of two. Take a recipe such as nearest-4bit-g32 or nf4.' }
    return { form: 'bnb4', book, block: Math.min(blockSize, largestBnb4Block, largestBookBlock) }
  }
  const setting = nbitsOf(encoding, columns, isGathered)
  return 'refusal' in setting ? setting : { form: 'nbits', setting }
}

/** On no grid, or in ggml's own floats, which rows that fit no block fall back to. */
function isFloat(
  encoding: GridEncoding | { readonly encoding: 'source' },
): encoding is Extract<typeof encoding, { readonly encoding: 'source' | 'float' | 'ggml' }> {
  if (encoding.encoding === 'ggml') return encoding.type === 'F16' || encoding.type === 'F32'
  return encoding.encoding === 'source' || encoding.encoding === 'float'
}

/** `model.layers.0.mlp.up_proj` of its `.weight`. */
export function moduleOf(weight: string): string {
  return weight.replace(/\.weight$/, '')
}
