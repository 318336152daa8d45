import type { AffineTensor } from '../kernels/contract/affine.ts'
import type { CodeBookTensor } from '../kernels/contract/codebook.ts'
import type { Int8RowsTensor } from '../kernels/contract/int8-rows.ts'
import type { LineMemory } from '../kernels/transpose/line-memory.ts'
import type { TensorSpec } from '../models/model-graph.ts'
import type { RowRange } from './checkpoint.ts'
import type { StoredTensor } from './stored-tensor.ts'

/** A tensor of the files by its name. */
export type FindTensor = (name: string) => StoredTensor | undefined

/** Rows [rowStart, rowEnd) in f32. Throws what reading the files throws. */
export type DecodeRows = (rows: RowRange, signal?: AbortSignal) => Promise<Float32Array<ArrayBuffer>>

/** Rows of a matrix on a grid of the kernels, as they hold it. */
export type CodeRows =
  | { readonly encoding: 'affine'; readonly affine: AffineTensor }
  | { readonly encoding: 'codebook'; readonly codeBook: CodeBookTensor }
  | { readonly encoding: 'int8-rows'; readonly int8Rows: Int8RowsTensor }

/** A matrix whose rows can be read, one range after the other: what was loaded twice can be read side by side. */
export interface LoadedMatrix {
  readonly values: DecodeRows
  /**
   * The same rows as codes, scales and zero points, in memory that is used again: they hold until other rows are asked for. Whoever
   * reads all of a matrix reads its rows in order. `null` where no grid of
   * the kernels says the same, as where columns name their groups in another order.
   */
  readonly codes: ((rows: RowRange, signal?: AbortSignal) => Promise<CodeRows>) | null
}

/** A matrix that the files hold as codes, scales and what else belongs to them. */
export interface QuantizedMatrix {
  /** Tensors of the files that it is made of. */
  readonly parts: readonly StoredTensor[]
  /**
   * Reads what every row needs. Where codes of a row lie scattered over the file, as many rows as 64 MiB hold are read
   * together and kept until others are asked for, in `lineMemory` if there is one. Throws `file-damaged` when the parts contradict
   * each other.
   */
  load(signal?: AbortSignal, lineMemory?: LineMemory): Promise<LoadedMatrix>
}

/**
 * A form in which quantized weights are published: one file in `source-formats/` each, default export. Values are the exact
 * product in f32 of what is stored; runtimes that compute in half precision round them once more.
 */
export interface SourceFormat {
  /** `quant_method` in `quantization_config` of config.json. */
  readonly method: string
  readonly title: string
  /**
   * How the files hold `weight` [out, in], or `null` where it is stored as it is. Headers only.
   * Throws `config-contradicts-tensors` for parts that are missing or of other shapes, `unsupported-dtype` for forms that the
   * studio does not read.
   */
  open(weight: TensorSpec, find: FindTensor, config: Readonly<Record<string, unknown>>): QuantizedMatrix | null
}
