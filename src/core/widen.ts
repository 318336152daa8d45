import { bytesPerElement, type FloatDType } from './dtype.ts'
import { widenBfloat16, widenHalf } from './float16.ts'
import { aligned } from './words.ts'

/** Values of a checkpoint (little-endian) as f32: a view where they are that already and lie at a multiple of four. */
export function widenValues<Buffer extends ArrayBufferLike>(
  dtype: FloatDType,
  stored: Uint8Array<Buffer>,
): Float32Array<Buffer | ArrayBuffer> {
  // Typed arrays need their element's alignment, and a source may hand out a view into something larger.
  const bytes = aligned(stored, bytesPerElement[dtype])
  const halves = () => new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2)
  switch (dtype) {
    case 'F32':
      return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)
    case 'F16':
      return widenHalf(halves())
    case 'BF16':
      return widenBfloat16(halves())
  }
}
