import { sameBytes, sameQ8 } from '../kernels/codes/same.ts'
import type { AffineTensor } from '../kernels/contract/affine.ts'
import type { Int8RowsTensor } from '../kernels/contract/int8-rows.ts'
import type { QuantizedTensor } from '../quantization/quantized-tensor.ts'

/** Rows of a file as whole numbers of 8 bits: value = code * scale of its run. */
export interface Int8InFile {
  /** [rows, columns]. */
  readonly codes: Int8Array<ArrayBuffer>
  /** [rows, columns / run]. */
  readonly scales: Float32Array
  /** Columns that share a scale. */
  readonly run: number
}

/**
 * Whether rows of a file are the codes and scales that are stored, so that their weights are equal too. False also for grids of fewer
 * bits or with zero points: their weights have to be compared then. Shares no code with the writers.
 */
export function sameInt8(found: Int8InFile, stored: QuantizedTensor): boolean {
  switch (stored.encoding) {
    case 'affine':
      return sameAffine(found, stored.affine)
    case 'int8-rows':
      return sameRows(found, stored.int8Rows)
    case 'ggml':
      return stored.type === 'Q8_0' && sameBlocks(found, stored.blocks)
    case 'codebook':
    case 'k-means':
    case 'real-affine':
    case 'float':
      return false
  }
}

function sameAffine(
  { codes, scales, run }: Int8InFile,
  { columns, bits, isSymmetric, group, codes: stored, scales: steps }: AffineTensor,
): boolean {
  // In two's complement, and around 128.
  if (bits !== 8 || !isSymmetric || !sameBytes(bytesOf(codes), stored, 0x80)) return false
  // Each stored group is a whole number of runs.
  const width = typeof group === 'number' ? Math.min(group, columns) : columns
  if (width % run !== 0) return false
  return scales.every((scale, index) => Object.is(scale, steps[group === 'tensor' ? 0 : Math.floor((index * run) / width)]))
}

function sameRows({ codes, scales, run }: Int8InFile, { columns, codes: stored, scales: largest }: Int8RowsTensor): boolean {
  if (!sameBytes(bytesOf(codes), bytesOf(stored))) return false
  return scales.every((scale, index) => scale === Math.fround((largest[Math.floor((index * run) / columns)] ?? 0) / 127))
}

function bytesOf({ buffer, byteOffset, length }: Int8Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, length)
}

/** Q8_0: a half, then 32 codes. */
function sameBlocks({ codes, scales, run }: Int8InFile, blocks: Uint8Array): boolean {
  return 32 % run === 0 && sameQ8({ codes: bytesOf(codes), scales, runs: 32 / run }, blocks, 0)
}
