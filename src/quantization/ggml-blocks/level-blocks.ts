import { type BlockLayout, halfAt, type ListedLevels, nibbles } from './block-layout.ts'

const { fround } = Math

/** `kvalues_iq4nl` of ggml-common.h. */
const iq4Values = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113]
const iq4Levels: ListedLevels = { kind: 'levels', levels: iq4Values, bits: iq4Values.map((_, code) => code) }

/** E2M1 doubled, sorted; codes 9 to 15 are the negative ones, 8 is a second zero. */
const fp4Levels: ListedLevels = {
  kind: 'levels',
  levels: [-12, -8, -6, -4, -3, -2, -1, 0, 1, 2, 3, 4, 6, 8, 12],
  bits: [15, 14, 13, 12, 11, 10, 9, 0, 1, 2, 3, 4, 5, 6, 7],
}

export const iq4_nl: BlockLayout = {
  groupSize: 32,
  values: iq4Levels,
  scaleOf: (bytes, at) => ({ scale: halfAt(bytes, at), offset: 0 }),
  fields: [nibbles(2)],
  bias: 0,
}

/** 8 groups of 32, signed scales of 6 bits; x = d (s - 32) level. */
export const iq4_xs: BlockLayout = {
  ...iq4_nl,
  scaleOf(bytes, at, group) {
    const low = (bytes.getUint8(at + 4 + (group >>> 1)) >>> (4 * (group & 1))) & 15
    const high = (bytes.getUint16(at + 2, true) >>> (2 * group)) & 3
    return { scale: fround(halfAt(bytes, at) * ((low | (high << 4)) - 32)), offset: 0 }
  },
  fields: [nibbles(8)],
}

export const mxfp4: BlockLayout = {
  groupSize: 32,
  values: fp4Levels,
  scaleOf: (bytes, at) => ({ scale: 2 ** (bytes.getUint8(at) - 128), offset: 0 }),
  fields: [nibbles(1)],
  bias: 0,
}

/** Half of an unsigned E4M3: the levels are doubled. */
function halvedE4m3(code: number): number {
  if (code === 0 || code === 127) return 0
  const exponent = code >>> 3
  const mantissa = code & 7
  return 0.5 * (exponent === 0 ? mantissa * 2 ** -9 : (1 + mantissa / 8) * 2 ** (exponent - 7))
}

/** 4 groups of 16, scales in unsigned E4M3. */
export const nvfp4: BlockLayout = {
  groupSize: 16,
  values: fp4Levels,
  scaleOf: (bytes, at, group) => ({ scale: halvedE4m3(bytes.getUint8(at + group)), offset: 0 }),
  fields: [{ from: 0, bits: 4, place: (e) => ({ byte: 4 + 8 * (e >>> 4) + (e & 7), shift: e & 8 ? 4 : 0 }) }],
  bias: 0,
}
