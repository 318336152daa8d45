import compressedTensorsReader from '../../checkpoint/source-formats/compressed-tensors.ts'
import type { SafetensorsDType } from '../../formats/safetensors/dtype.ts'
import { Scratch } from '../../io/scratch.ts'
import type { InputRounding } from '../../kernels/contract/activations.ts'
import { type AffineTensor, groupsPerRow } from '../../kernels/contract/affine.ts'
import type { TensorSpec } from '../../models/model-graph.ts'
import { bytesOfFloats } from '../../quantization/join-arrays.ts'
import type { TensorEncoding } from '../../quantization/quantized-tensor.ts'
import type { MatrixPart } from '../matrix-parts.ts'
import { moduleOf, type PackedForm } from '../safetensors/planned-tensor.ts'
import { requireEncoding } from '../stored-tiles.ts'
import { halfScales, packRows, packZeros, signedRows, signedZeros, wordsFor } from './packing.ts'

/** `pack-quantized` for float inputs, `int-quantized` for inputs in 8 bits. */
export type PackFormat = 'pack-quantized' | 'int-quantized'

export function packFormat(mode: InputRounding | undefined): PackFormat {
  return mode === undefined ? 'pack-quantized' : 'int-quantized'
}

/** A linear in compressed-tensors' layout, `null` where its groups are not whole. */
export function compressedForm(spec: TensorSpec, encoding: TensorEncoding<'affine'>, mode: InputRounding | undefined): PackedForm | null {
  const [, columns = 0] = spec.shape
  if (typeof encoding.group === 'number' && columns % encoding.group !== 0) return null
  return packFormat(mode) === 'pack-quantized' ? packedForm(spec, encoding) : int8Form(spec, encoding, mode)
}

function packedForm(spec: TensorSpec, { bits, group, isSymmetric }: TensorEncoding<'affine'>): PackedForm {
  const [rows = 0, columns = 0] = spec.shape
  const groups = groupsPerRow(columns, group)
  const part = partsOf(spec)
  const weights = part('weight_packed', 'I32', [rows, wordsFor(columns, bits)])
  const scales = part('weight_scale', 'F16', [rows, groups])
  const shape = part('weight_shape', 'I64', [2])
  const zeros = part('weight_zero_point', 'I32', [wordsFor(rows, bits), groups])
  return {
    specs: [weights, scales, shape, ...(isSymmetric ? [] : [zeros])],
    unit: 32 / bits,
    parts: new Map<string, MatrixPart>([
      [weights.name, ofRows(packRows)],
      [scales.name, ofRows(halfScales)],
      [shape.name, { kind: 'fixed', bytes: () => new Uint8Array(BigInt64Array.of(BigInt(rows), BigInt(columns)).buffer) }],
      [zeros.name, ofRows(packZeros)],
    ]),
    open: (find) => compressedTensorsReader.open(spec, find, {}),
  }
}

function int8Form(spec: TensorSpec, { group, isSymmetric }: TensorEncoding<'affine'>, mode: InputRounding | undefined): PackedForm {
  const [rows = 0, columns = 0] = spec.shape
  const groups = groupsPerRow(columns, group)
  const part = partsOf(spec)
  const weights = part('weight', 'I8', [rows, columns])
  const scales = part('weight_scale', 'F16', [rows, groups])
  const zeros = part('weight_zero_point', 'I8', [rows, groups])
  const input = part('input_scale', 'F32', [1])
  const memory = new Scratch()
  return {
    specs: [weights, scales, ...(isSymmetric ? [] : [zeros]), ...(mode?.kind === 'int8-tensor' ? [input] : [])],
    unit: 1,
    parts: new Map<string, MatrixPart>([
      [weights.name, ofRows((affine) => signedRows(affine, memory))],
      [scales.name, ofRows(halfScales)],
      [zeros.name, ofRows(signedZeros)],
      [input.name, { kind: 'fixed', bytes: () => bytesOfFloats(Float32Array.of(mode?.kind === 'int8-tensor' ? mode.scale : 0)) }],
    ]),
    open: (find) => compressedTensorsReader.open(spec, find, {}),
  }
}

function partsOf({ name }: TensorSpec) {
  const module = moduleOf(name)
  return (suffix: string, dtype: SafetensorsDType, shape: readonly number[]) => ({ name: `${module}.${suffix}`, dtype, shape })
}

function ofRows(bytesOf: (affine: AffineTensor) => Uint8Array<ArrayBuffer>): MatrixPart {
  return { kind: 'rows', bytesOf: ({ tile }) => bytesOf(requireEncoding(tile, 'affine').affine) }
}
