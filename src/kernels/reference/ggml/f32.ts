import type { BlockCodec } from './block-codec.ts'

export const f32: BlockCodec = {
  encode: (values, block) => block.setFloat32(0, values[0] ?? 0, true),
  decode(block, values) {
    values[0] = block.getFloat32(0, true)
  },
}
