import { type AffineTensor, groupsPerRow } from '../../kernels/contract/affine.ts'
import type { PackedRows } from '../../kernels/transpose/blocks.ts'

/**
 * The "gptq" layout (AutoGPTQ `qlinear_cuda.py`, GPTQModel `qlinear/__init__.py`): codes packed along the inputs, zero points
 * along the outputs, both as 32-bit words whose fields form one bit stream, least significant bit first. Column order of error
 * feedback does not show here: groups keep their places, so `g_idx` is in order and `desc_act` false. For 3 bits the reference packs
 * 32 codes into three words case by case; that is the same stream. A row of stored codes already is that of one column, so codes
 * are packed by `LineMemory.wordsToLines`.
 */

/** Sizes the layout can hold: runs of 32 fill whole words at every bit-width. */
export const packingUnit = 32

/** Words in a column of `qweight`. */
export function weightWords(inFeatures: number, bits: number): number {
  return (inFeatures / packingUnit) * bits
}

/** Words in a row of `qzeros`. */
export function zeroWords(outFeatures: number, bits: number): number {
  return (outFeatures / packingUnit) * bits
}

/** Zero points of rows, a byte each, [rows, groups]. */
export function zeroRows({ rows, columns, group, zeroPoints }: AffineTensor): PackedRows {
  if (group === 'tensor') return { bytes: new Uint8Array(rows).fill(zeroPoints[0] ?? 0), rowBytes: 1 }
  return { bytes: zeroPoints, rowBytes: groupsPerRow(columns, group) }
}

/** `g_idx` [inFeatures]: the group of each input, in order (no activation order). */
export function groupIndex(inFeatures: number, group: AffineTensor['group']): Uint8Array<ArrayBuffer> {
  const size = typeof group === 'number' ? group : inFeatures
  return new Uint8Array(Int32Array.from({ length: inFeatures }, (_, input) => Math.floor(input / size)).buffer)
}
