/**
 * The parts of TensorFlow Lite's schema.fbs that graphs here need: field ids are the order of declaration in a table, a union
 * takes two. A table, vector or string is reached by a u32 forward offset from its field.
 */

/** `TensorType`. */
export const tensorTypes = {
  FLOAT32: { code: 0, bytes: 4 },
  INT32: { code: 2, bytes: 4 },
  INT8: { code: 9, bytes: 1 },
} as const

export type TensorType = keyof typeof tensorTypes

/**
 * `BuiltinOperator`, the version of it that these graphs mean, the number of its table in the union `BuiltinOptions` (0: none
 * is needed), and its name in TensorFlow Lite Micro's `MicroMutableOpResolver`.
 */
export const operatorKinds = {
  ADD: { code: 0, version: 1, options: 11, micro: 'AddAdd' },
  CONCATENATION: { code: 2, version: 1, options: 10, micro: 'AddConcatenation' },
  DEQUANTIZE: { code: 6, version: 2, options: 38, micro: 'AddDequantize' },
  FULLY_CONNECTED: { code: 9, version: 1, options: 8, micro: 'AddFullyConnected' },
  /** The same with input, weights and output in INT8, a bias in INT32. */
  FULLY_CONNECTED_INT8: { code: 9, version: 4, options: 8, micro: 'AddFullyConnected' },
  LOGISTIC: { code: 14, version: 1, options: 0, micro: 'AddLogistic' },
  MUL: { code: 18, version: 1, options: 21, micro: 'AddMul' },
  RESHAPE: { code: 22, version: 1, options: 17, micro: 'AddReshape' },
  SOFTMAX: { code: 25, version: 1, options: 9, micro: 'AddSoftmax' },
  GATHER: { code: 36, version: 2, options: 23, micro: 'AddGather' },
  TRANSPOSE: { code: 39, version: 1, options: 26, micro: 'AddTranspose' },
  MEAN: { code: 40, version: 1, options: 27, micro: 'AddMean' },
  SPLIT: { code: 49, version: 1, options: 35, micro: 'AddSplit' },
  RSQRT: { code: 76, version: 1, options: 0, micro: 'AddRsqrt' },
  QUANTIZE: { code: 114, version: 1, options: 89, micro: 'AddQuantize' },
  BATCH_MATMUL: { code: 126, version: 1, options: 101, micro: 'AddBatchMatMul' },
} as const

export type OperatorKind = keyof typeof operatorKinds

/** Codes above this do not fit the i8 of older readers, which see this number. */
export const widestOldCode = 127

/** `Model.version` of every file today. */
export const schemaVersion = 3
export const fileIdentifier = 'TFL3'

export const fields = {
  model: { version: 0, operatorCodes: 1, subgraphs: 2, description: 3, buffers: 4 },
  operatorCode: { deprecatedBuiltinCode: 0, version: 2, builtinCode: 3 },
  subgraph: { tensors: 0, inputs: 1, outputs: 2, operators: 3, name: 4 },
  tensor: { shape: 0, type: 1, buffer: 2, name: 3, quantization: 4 },
  quantization: { scale: 2, zeroPoint: 3 },
  operator: { opcodeIndex: 0, inputs: 1, outputs: 2, builtinOptionsType: 3, builtinOptions: 4 },
  buffer: { data: 0 },
} as const

/** A field of an operator's options that is not its default: id, how it is stored, value. */
export interface OptionField {
  readonly id: number
  readonly type: 'i8' | 'i32' | 'f32' | 'i32[]'
  readonly value: number | readonly number[]
}

export interface TfliteTensor {
  readonly name: string
  readonly shape: readonly number[]
  readonly type: TensorType
  /** Index among the constants; `null` for a tensor that is computed. */
  readonly constant: number | null
  /**
   * Value of one step of an INT8 tensor (zero point 0), or the index of the vector that has a step for each row; `null`: whole
   * numbers without a meaning of their own.
   */
  readonly scale: number | { readonly vector: number } | null
}

export interface TfliteOperator {
  readonly kind: OperatorKind
  /** Indices of tensors; -1 for an optional one that is left out. */
  readonly inputs: readonly number[]
  readonly outputs: readonly number[]
  readonly options: readonly OptionField[]
}

/** A model of one subgraph as data; the bytes of constants come later. */
export interface TfliteGraph {
  readonly description: string
  readonly tensors: readonly TfliteTensor[]
  readonly operators: readonly TfliteOperator[]
  readonly inputs: readonly number[]
  readonly outputs: readonly number[]
  /** Bytes of each constant. */
  readonly constantBytes: readonly number[]
  /** Length of each vector of f32 scales; its values come later, as those of constants. */
  readonly scaleVectors: readonly number[]
}
