/** ggml block types this house writes. Ids and sizes from ggml.h. `F16` and `F32` are blocks of one. */
export const ggmlTypes = {
  F32: { id: 0, blockSize: 1, blockBytes: 4 },
  F16: { id: 1, blockSize: 1, blockBytes: 2 },
  Q4_0: { id: 2, blockSize: 32, blockBytes: 18 },
  Q4_1: { id: 3, blockSize: 32, blockBytes: 20 },
  Q8_0: { id: 8, blockSize: 32, blockBytes: 34 },
} as const satisfies Record<string, { readonly id: number; readonly blockSize: number; readonly blockBytes: number }>

export type GgmlType = keyof typeof ggmlTypes

/** Bytes of a matrix in a type; columns must be a multiple of the block size. */
export function ggmlBytes(type: GgmlType, rows: number, columns: number): number {
  const { blockSize, blockBytes } = ggmlTypes[type]
  return rows * (columns / blockSize) * blockBytes
}
