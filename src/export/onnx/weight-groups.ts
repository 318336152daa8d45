import type { OnnxType } from '../../formats/onnx/model.ts'
import type { Kernels } from '../../kernels/contract/kernels.ts'
import type { ExportSource } from '../target.ts'

/** A tensor beside the graph. */
export interface WeightTensor {
  readonly name: string
  readonly type: OnnxType
  readonly shape: readonly number[]
  readonly sizeBytes: number
}

/**
 * Reads bytes [start, end) of a tensor of a group back, both within it; they hold until bytes of the same tensor are read again. With
 * `into` they lie there, and several reads may be under way.
 */
export type ReadBack = (
  tensor: WeightTensor,
  start: number,
  end: number,
  into?: Uint8Array<ArrayBuffer>,
) => Promise<Uint8Array<ArrayBuffer>>

export interface ProofTools {
  readonly source: ExportSource
  readonly read: ReadBack
  readonly kernels: Kernels
  readonly signal?: AbortSignal
}

/** Tensors that are made from one reading of storage; they stay together in a file. */
export interface WeightGroup {
  readonly tensors: readonly WeightTensor[]
  /** Their bytes one tensor after the other, in pieces of at most 64 MiB. */
  write(
    source: ExportSource,
    signal?: AbortSignal,
  ): AsyncIterable<{ readonly tensor: WeightTensor; readonly bytes: Uint8Array<ArrayBuffer> }>
  /** Throws `proof-failed` naming the tensor of the checkpoint. */
  prove(tools: ProofTools): Promise<void>
}

const elementBytes: Readonly<Record<OnnxType, number>> = { float: 4, float16: 2, uint8: 1, int8: 1, int32: 4, int64: 8, bool: 1 }

export function weightTensor(name: string, type: OnnxType, shape: readonly number[]): WeightTensor {
  return { name, type, shape, sizeBytes: shape.reduce((product, extent) => product * extent, 1) * elementBytes[type] }
}
