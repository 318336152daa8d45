import type { MatrixShape } from '../../kernels/contract/kernels.ts'
import { nestedBlock } from '../../quantization/nested-scales.ts'
import type { TensorEncoding } from '../../quantization/quantized-tensor.ts'

/**
 * The settings that bitsandbytes keeps beside a 4-bit weight as JSON in a tensor of bytes (`QuantState.as_dict`, `packed=True`).
 * Its length must be known before the run, but the digits of the nested offset are not: the number is padded with spaces, which
 * JSON allows.
 */

/** The longest text of an f32 as a number: `-1.1754943508222875e-38`. */
const longestNumber = 24

/**
 * `dtype` is what a runtime dequantizes to before it casts to the dtype it computes in. float32 keeps the exact products, so
 * nothing is rounded twice, whatever the model's own dtype.
 */
const dtype = 'float32'

/** `offset` is `null` for scales that are not nested. */
export function quantStateBytes(
  { rows, columns }: MatrixShape,
  { book, blockSize }: TensorEncoding<'codebook'>,
  offset: number | null,
): Uint8Array<ArrayBuffer> {
  const own = `"quant_type": "${book}", "blocksize": ${blockSize}, "dtype": "${dtype}", "shape": [${rows}, ${columns}]`
  if (offset === null) return new TextEncoder().encode(`{${own}}`)
  const nested = `"nested_blocksize": ${nestedBlock}, "nested_dtype": "float32", "nested_offset": ${String(offset).padEnd(longestNumber)}`
  return new TextEncoder().encode(`{${own}, ${nested}}`)
}
