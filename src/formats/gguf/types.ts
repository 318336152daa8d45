/**
 * Numbers of the GGUF container, version 3 (ggml `docs/gguf.md`, `gguf.h`, `ggml.h`). This room knows the whole table,
 * also types that the studio cannot quantize, so that any file can be opened and sized.
 */
export const ggufMagic = 0x46554747
export const ggufVersion = 3
/** `GGUF_DEFAULT_ALIGNMENT`. */
export const defaultAlignment = 32

/** Value types of metadata with their ids in the file. */
export const valueTypeIds = {
  u8: 0,
  i8: 1,
  u16: 2,
  i16: 3,
  u32: 4,
  i32: 5,
  f32: 6,
  bool: 7,
  string: 8,
  array: 9,
  u64: 10,
  i64: 11,
  f64: 12,
} as const

export type GgufScalarType = Exclude<keyof typeof valueTypeIds, 'array'>
export type GgufScalar = number | bigint | boolean | string

/** One metadata value. 64-bit integers are bigint, booleans boolean, strings string, everything else number. */
export type GgufValue =
  | { readonly type: GgufScalarType; readonly value: GgufScalar }
  | { readonly type: 'array'; readonly of: GgufScalarType; readonly value: readonly GgufScalar[] }

export interface GgufEntry {
  readonly key: string
  readonly value: GgufValue
}

export interface GgufTensorType {
  readonly id: number
  /** Elements of a block; rows are a whole number of blocks. */
  readonly blockSize: number
  readonly blockBytes: number
}

/** `enum ggml_type`; 4, 5, 31 to 33 and 36 to 38 were removed upstream. */
export const tensorTypes = {
  F32: { id: 0, blockSize: 1, blockBytes: 4 },
  F16: { id: 1, blockSize: 1, blockBytes: 2 },
  Q4_0: { id: 2, blockSize: 32, blockBytes: 18 },
  Q4_1: { id: 3, blockSize: 32, blockBytes: 20 },
  Q5_0: { id: 6, blockSize: 32, blockBytes: 22 },
  Q5_1: { id: 7, blockSize: 32, blockBytes: 24 },
  Q8_0: { id: 8, blockSize: 32, blockBytes: 34 },
  Q8_1: { id: 9, blockSize: 32, blockBytes: 36 },
  Q2_K: { id: 10, blockSize: 256, blockBytes: 84 },
  Q3_K: { id: 11, blockSize: 256, blockBytes: 110 },
  Q4_K: { id: 12, blockSize: 256, blockBytes: 144 },
  Q5_K: { id: 13, blockSize: 256, blockBytes: 176 },
  Q6_K: { id: 14, blockSize: 256, blockBytes: 210 },
  Q8_K: { id: 15, blockSize: 256, blockBytes: 292 },
  IQ2_XXS: { id: 16, blockSize: 256, blockBytes: 66 },
  IQ2_XS: { id: 17, blockSize: 256, blockBytes: 74 },
  IQ3_XXS: { id: 18, blockSize: 256, blockBytes: 98 },
  IQ1_S: { id: 19, blockSize: 256, blockBytes: 50 },
  IQ4_NL: { id: 20, blockSize: 32, blockBytes: 18 },
  IQ3_S: { id: 21, blockSize: 256, blockBytes: 110 },
  IQ2_S: { id: 22, blockSize: 256, blockBytes: 82 },
  IQ4_XS: { id: 23, blockSize: 256, blockBytes: 136 },
  I8: { id: 24, blockSize: 1, blockBytes: 1 },
  I16: { id: 25, blockSize: 1, blockBytes: 2 },
  I32: { id: 26, blockSize: 1, blockBytes: 4 },
  I64: { id: 27, blockSize: 1, blockBytes: 8 },
  F64: { id: 28, blockSize: 1, blockBytes: 8 },
  IQ1_M: { id: 29, blockSize: 256, blockBytes: 56 },
  BF16: { id: 30, blockSize: 1, blockBytes: 2 },
  TQ1_0: { id: 34, blockSize: 256, blockBytes: 54 },
  TQ2_0: { id: 35, blockSize: 256, blockBytes: 66 },
  MXFP4: { id: 39, blockSize: 32, blockBytes: 17 },
  NVFP4: { id: 40, blockSize: 64, blockBytes: 36 },
  Q1_0: { id: 41, blockSize: 128, blockBytes: 18 },
  Q2_0: { id: 42, blockSize: 64, blockBytes: 18 },
} as const satisfies Record<string, GgufTensorType>

export type GgufTensorTypeName = keyof typeof tensorTypes

/** A tensor by its description alone. */
export interface GgufTensorSpec {
  /** Less than 64 bytes of UTF-8 (`GGML_MAX_NAME`). */
  readonly name: string
  readonly type: GgufTensorTypeName
  /** PyTorch order, the contiguous dimension last; 1 to 4 dimensions. The file stores it reversed. */
  readonly shape: readonly number[]
}

/** A tensor with its place in the file. */
export interface GgufTensorInfo extends GgufTensorSpec {
  /** From the start of the file. */
  readonly offset: number
  readonly sizeBytes: number
}

/** Longest tensor name in bytes: `GGML_MAX_NAME` is 64 with its terminator. */
export const maxTensorNameBytes = 63
/** Longest key in bytes, from the format text. */
export const maxKeyBytes = 65_535
export const maxDimensions = 4

export function tensorBytes(spec: Pick<GgufTensorSpec, 'type' | 'shape'>): number {
  const { blockSize, blockBytes } = tensorTypes[spec.type]
  return (spec.shape.reduce((product, extent) => product * extent, 1) / blockSize) * blockBytes
}

/** Smallest multiple of `alignment` that is not below `offset`; plain arithmetic, because offsets pass 2 GiB. */
export function alignUp(offset: number, alignment: number): number {
  return Math.ceil(offset / alignment) * alignment
}
