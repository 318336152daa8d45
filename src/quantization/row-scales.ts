import type { QuantizedTensor } from './quantized-tensor.ts'

/** What one code means in each row of a matrix that has one scale a row, [rows]; `null` for other encodings. */
export function rowScalesOf(tensor: QuantizedTensor): Float32Array<ArrayBuffer> | null {
  if (tensor.encoding !== 'affine') return null
  const { rows, group, scales } = tensor.affine
  if (group === 'tensor') return new Float32Array(rows).fill(scales[0] ?? 0)
  return scales.length === rows ? Float32Array.from(scales) : null
}
