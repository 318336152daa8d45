import type { FindTensor, QuantizedMatrix } from '../../checkpoint/source-format.ts'
import type { SafetensorsDType } from '../../formats/safetensors/dtype.ts'
import type { SafetensorsTensorSpec } from '../../formats/safetensors/layout.ts'
import type { TensorSpec } from '../../models/model-graph.ts'
import { expectedTensors } from '../../models/tensors.ts'
import type { GridEncoding } from '../../quantization/quantized-tensor.ts'
import type { MatrixPart } from '../matrix-parts.ts'
import type { ExportFacts } from '../target.ts'

/** How a format holds one matrix on its grid: the writer's half makes bytes, the reader's half shares no code with it. */
export interface PackedForm {
  /** Tensors of the file, in place of the matrix. */
  readonly specs: readonly SafetensorsTensorSpec[]
  /** Rows at multiples of which the matrix may be cut: what shares a word stays together. */
  readonly unit: number
  /** How each of `specs` is made of the stored matrix, by name. */
  readonly parts: ReadonlyMap<string, MatrixPart>
  /** The reader of the published format, `null` where it finds nothing of its own. */
  open(find: FindTensor): QuantizedMatrix | null
}

/** How one tensor of the checkpoint appears in the file. */
export type PlannedTensor = {
  readonly name: string
  readonly shape: readonly number[]
  readonly specs: readonly SafetensorsTensorSpec[]
} & (
  | { readonly kind: 'packed'; readonly encoding: GridEncoding; readonly form: PackedForm }
  /** Quantized values in plain f32: the format cannot hold the sizes. */
  | { readonly kind: 'plain'; readonly encoding: GridEncoding }
  | { readonly kind: 'checkpoint' }
  /** What a transform made of it, in f32. */
  | { readonly kind: 'float' }
)

/** On no grid. */
export type FloatTensor = Extract<PlannedTensor, { readonly kind: 'checkpoint' | 'float' }>
/** On a grid, packed or not. */
export type GridTensor = Exclude<PlannedTensor, FloatTensor>

/** Name of the module: `model.layers.0.mlp.up_proj` of its `.weight`. */
export function moduleOf(weight: string): string {
  return weight.replace(/\.weight$/, '')
}

/**
 * Every tensor of the checkpoint in the order of execution, with what the file holds in its place. `formOf` says how the format
 * packs a matrix, `null` for sizes that it cannot hold.
 */
export function planTensors(
  { checkpoint, graph, encodings }: ExportFacts,
  formOf: (spec: TensorSpec, encoding: GridEncoding) => PackedForm | null,
): PlannedTensor[] {
  // A head of its own that the checkpoint has not is made from the embedding.
  const sourceDType = (name: string): SafetensorsDType =>
    (checkpoint.tensors.get(name) ?? checkpoint.tensors.get(graph.embedding.name))?.dtype ?? 'F32'
  return expectedTensors(graph).map((spec) => {
    const { name, shape } = spec
    const encoding = encodings.get(name)
    if (encoding === undefined || encoding.encoding === 'source') {
      return { kind: 'checkpoint', name, shape, specs: [{ name, shape, dtype: sourceDType(name) }] }
    }
    const plain: readonly SafetensorsTensorSpec[] = [{ name, shape, dtype: 'F32' }]
    if (encoding.encoding === 'float') {
      const isHalf = shape.length > 1 && sourceDType(name) !== 'F32'
      return { kind: 'float', name, shape, specs: isHalf ? [{ name, shape, dtype: 'F16' }] : plain }
    }
    const form = formOf(spec, encoding)
    if (form === null) return { kind: 'plain', name, shape, encoding, specs: plain }
    return { kind: 'packed', name, shape, encoding, form, specs: form.specs }
  })
}

/** Checkpoint names of the linears: of the blocks, then a head of its own. */
export function linearNames({ graph }: ExportFacts): ReadonlySet<string> {
  const names = graph.blocks.flatMap((block) => block.linears.map((linear) => linear.weight))
  return new Set(graph.head === null ? names : [...names, graph.head.name])
}

/** Modules that readers must leave as they are: linears that the file holds as plain weights. */
export function unpackedModules(facts: ExportFacts, tensors: readonly PlannedTensor[]): string[] {
  const linears = linearNames(facts)
  return tensors.filter(({ kind, name }) => kind !== 'packed' && linears.has(name)).map(({ name }) => moduleOf(name))
}

export function elementsOf({ shape }: PlannedTensor): number {
  return shape.reduce((product, extent) => product * extent, 1)
}

/** The value that most weights have; the first of equals. `undefined` of none. */
export function commonest<Value>(values: readonly { readonly value: Value; readonly weight: number }[]): Value | undefined {
  const counts = new Map<string, { readonly value: Value; weight: number }>()
  for (const { value, weight } of values) {
    const key = JSON.stringify(value)
    const known = counts.get(key)
    if (known === undefined) counts.set(key, { value, weight })
    else known.weight += weight
  }
  return [...counts.values()].sort((a, b) => b.weight - a.weight)[0]?.value
}
