import type { BlockCodec } from './block-codec.ts'

export const f32: BlockCodec = {
  encode: (values, bytes, at) => bytes.setFloat32(at, values[0] ?? 0, true),
  decode(bytes, at, values) {
    values[0] = bytes.getFloat32(at, true)
  },
}
