import { floatFromHalf, halfFromFloat } from '../../../core/float16.ts'
import type { BlockCodec } from './block-codec.ts'

export const f16: BlockCodec = {
  encode: (values, bytes, at) => bytes.setUint16(at, halfFromFloat(values[0] ?? 0), true),
  decode(bytes, at, values) {
    values[0] = floatFromHalf(bytes.getUint16(at, true))
  },
}
