import type { TensorSpec } from '../models/model-graph.ts'
import type { RowRange } from './checkpoint.ts'
import type { StoredTensor } from './stored-tensor.ts'

/** A tensor of the files by its name. */
export type FindTensor = (name: string) => StoredTensor | undefined

/** Rows [rowStart, rowEnd) in f32. Throws what reading the files throws. */
export type DecodeRows = (rows: RowRange, signal?: AbortSignal) => Promise<Float32Array<ArrayBuffer>>

/** A matrix that the files hold as codes, scales and what else belongs to them. */
export interface QuantizedMatrix {
  /** Tensors of the files that it is made of. */
  readonly parts: readonly StoredTensor[]
  /**
   * Reads what every row needs; where codes of a row lie scattered that is all of them, at most the packed size of the matrix.
   * Throws `file-damaged` when the parts contradict each other.
   */
  load(signal?: AbortSignal): Promise<DecodeRows>
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
