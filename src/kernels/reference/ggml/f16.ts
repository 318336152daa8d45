import { floatFromHalf, halfFromFloat } from '../../../core/float16.ts'
import type { BlockCodec } from './block-codec.ts'

export const f16: BlockCodec = {
  encode: (values, block) => block.setUint16(0, halfFromFloat(values[0] ?? 0), true),
  decode(block, values) {
    values[0] = floatFromHalf(block.getUint16(0, true))
  },
}
