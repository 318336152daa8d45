import type { RuntimeRounding } from './activations.ts'

interface GgmlTypeFacts {
  readonly id: number
  /** Elements of a block. */
  readonly blockSize: number
  readonly blockBytes: number
  /** Quantized by importance or not at all (`ggml_quantize_requires_imatrix`). */
  readonly needsImportance?: true
}

const table = {
  F32: { id: 0, blockSize: 1, blockBytes: 4 },
  F16: { id: 1, blockSize: 1, blockBytes: 2 },
  Q4_0: { id: 2, blockSize: 32, blockBytes: 18 },
  Q4_1: { id: 3, blockSize: 32, blockBytes: 20 },
  Q5_0: { id: 6, blockSize: 32, blockBytes: 22 },
  Q5_1: { id: 7, blockSize: 32, blockBytes: 24 },
  Q8_0: { id: 8, blockSize: 32, blockBytes: 34 },
  Q2_K: { id: 10, blockSize: 256, blockBytes: 84 },
  Q3_K: { id: 11, blockSize: 256, blockBytes: 110 },
  Q4_K: { id: 12, blockSize: 256, blockBytes: 144 },
  Q5_K: { id: 13, blockSize: 256, blockBytes: 176 },
  Q6_K: { id: 14, blockSize: 256, blockBytes: 210 },
  IQ2_XXS: { id: 16, blockSize: 256, blockBytes: 66, needsImportance: true },
  IQ2_XS: { id: 17, blockSize: 256, blockBytes: 74, needsImportance: true },
  IQ3_XXS: { id: 18, blockSize: 256, blockBytes: 98 },
  IQ1_S: { id: 19, blockSize: 256, blockBytes: 50, needsImportance: true },
  IQ4_NL: { id: 20, blockSize: 32, blockBytes: 18 },
  IQ3_S: { id: 21, blockSize: 256, blockBytes: 110 },
  IQ2_S: { id: 22, blockSize: 256, blockBytes: 82 },
  IQ4_XS: { id: 23, blockSize: 256, blockBytes: 136 },
  IQ1_M: { id: 29, blockSize: 256, blockBytes: 56 },
  TQ1_0: { id: 34, blockSize: 256, blockBytes: 54 },
  TQ2_0: { id: 35, blockSize: 256, blockBytes: 66 },
  MXFP4: { id: 39, blockSize: 32, blockBytes: 17 },
  NVFP4: { id: 40, blockSize: 64, blockBytes: 36 },
} as const satisfies Record<string, GgmlTypeFacts>

export type GgmlType = keyof typeof table

/** ggml block types this house writes. Ids and sizes from ggml.h. `F16` and `F32` are blocks of one. */
export const ggmlTypes: Readonly<Record<GgmlType, GgmlTypeFacts>> = table

/**
 * What llama.cpp's kernels for processors round the inputs of a matrix of a type to before they multiply (`vec_dot_type` of
 * ggml-cpu.c): Q8_K for blocks of 256, f16 for f16, and Q8_0 for the others, for some of them as Q8_1, which rounds alike.
 */
export function ggmlInputs(type: GgmlType): RuntimeRounding {
  if (type === 'F32') return { kind: 'none' }
  if (type === 'F16') return { kind: 'half' }
  return ggmlTypes[type].blockSize === 256
    ? { kind: 'int8-blocks', columns: 256, scale: 'float' }
    : { kind: 'int8-blocks', columns: 32, scale: 'half' }
}

/** Bytes of a matrix in a type; columns must be a multiple of the block size. */
export function ggmlBytes(type: GgmlType, rows: number, columns: number): number {
  const { blockSize, blockBytes } = ggmlTypes[type]
  return rows * (columns / blockSize) * blockBytes
}
