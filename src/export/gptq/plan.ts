import type { SafetensorsDType } from '../../formats/safetensors/dtype.ts'
import type { SafetensorsTensorSpec } from '../../formats/safetensors/layout.ts'
import { groupsPerRow } from '../../kernels/contract/affine.ts'
import type { TensorSpec } from '../../models/model-graph.ts'
import { expectedTensors } from '../../models/tensors.ts'
import type { TensorEncoding } from '../../quantization/quantized-tensor.ts'
import type { ExportFacts } from '../target.ts'
import { packingUnit, weightWords, zeroWords } from './packing.ts'

export type AffineEncoding = TensorEncoding<'affine'>
export const packedParts = ['qweight', 'qzeros', 'scales', 'g_idx'] as const
export type PackedPart = (typeof packedParts)[number]

/** How one tensor of the checkpoint appears in the file. */
export type PlannedTensor = {
  readonly name: string
  readonly shape: readonly number[]
  readonly specs: readonly SafetensorsTensorSpec[]
} & (
  | { readonly kind: 'packed'; readonly encoding: AffineEncoding }
  /** Quantized values in plain f32: the layout cannot hold the sizes. */
  | { readonly kind: 'plain'; readonly encoding: AffineEncoding }
  | { readonly kind: 'checkpoint' }
  /** What a transform made of it: vectors in f32, matrices of a checkpoint in half precision as halves, which readers compute in. */
  | { readonly kind: 'float' }
)

/** Name of the module: `model.layers.0.mlp.up_proj` of its `.weight`. */
export function moduleOf(weight: string): string {
  return weight.replace(/\.weight$/, '')
}

/** Every tensor of the model in the order of execution, with what the file holds in its place. */
export function planTensors({ checkpoint, graph, encodings }: ExportFacts): PlannedTensor[] {
  return expectedTensors(graph).map((spec) => {
    const encoding = encodings.get(spec.name)
    const { name, shape } = spec
    if (encoding?.encoding === 'affine') {
      if (isPackable(shape)) return { kind: 'packed', name, shape, encoding, specs: packedSpecs(spec, encoding) }
      return { kind: 'plain', name, shape, encoding, specs: [{ name, shape, dtype: 'F32' }] }
    }
    // A head of its own that the checkpoint has not is made from the embedding.
    const dtype: SafetensorsDType = (checkpoint.tensors.get(name) ?? checkpoint.tensors.get(graph.embedding.name))?.dtype ?? 'F32'
    if (encoding?.encoding === 'float') {
      return { kind: 'float', name, shape, specs: [{ name, shape, dtype: shape.length < 2 || dtype === 'F32' ? 'F32' : 'F16' }] }
    }
    return { kind: 'checkpoint', name, shape, specs: [{ name, shape, dtype }] }
  })
}

export function isPackable(shape: readonly number[]): boolean {
  return shape.length === 2 && shape.every((extent) => extent % packingUnit === 0)
}

function packedSpecs(
  { name, shape: [outFeatures = 0, inFeatures = 0] }: TensorSpec,
  { bits, group }: AffineEncoding,
): SafetensorsTensorSpec[] {
  const groups = groupsPerRow(inFeatures, group)
  const part = (suffix: PackedPart, dtype: SafetensorsDType, shape: readonly number[]) => ({ name: partName(name, suffix), dtype, shape })
  return [
    part('qweight', 'I32', [weightWords(inFeatures, bits), outFeatures]),
    part('qzeros', 'I32', [groups, zeroWords(outFeatures, bits)]),
    part('scales', 'F16', [groups, outFeatures]),
    part('g_idx', 'I32', [inFeatures]),
  ]
}

export function partName(weight: string, part: PackedPart): string {
  return `${moduleOf(weight)}.${part}`
}
