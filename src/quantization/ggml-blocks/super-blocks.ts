import { type BlockLayout, bitPlanes, halfAt, halves, quarters } from './block-layout.ts'

const f = Math.fround

/** 16 groups of 16, scales and minimums of 4 bits; x = d s q - m t. */
export const q2_k: BlockLayout = {
  groupSize: 16,
  values: { kind: 'even', count: 4, zeroPoint: 0 },
  scaleOf(bytes, at, group) {
    const packed = bytes.getUint8(at + group)
    return { scale: f(halfAt(bytes, at + 80) * (packed & 15)), offset: -f(halfAt(bytes, at + 82) * (packed >>> 4)) }
  },
  fields: [quarters(16)],
  bias: 0,
}

/** 16 groups of 16, signed scales of 6 bits: low 4 bits of two a byte, upper 2 bits of four a byte; x = d (s - 32) (q - 4). */
export const q3_k: BlockLayout = {
  groupSize: 16,
  values: { kind: 'even', count: 8, zeroPoint: 4 },
  scaleOf(bytes, at, group) {
    const low = (bytes.getUint8(at + 96 + (group & 7)) >>> (4 * (group >>> 3))) & 15
    const high = (bytes.getUint8(at + 104 + (group & 3)) >>> (2 * (group >>> 2))) & 3
    return { scale: f(halfAt(bytes, at + 108) * ((low | (high << 4)) - 32)), offset: 0 }
  },
  fields: [quarters(32), bitPlanes(0, 2)],
  bias: 0,
}

/** 8 groups of 32, scales and minimums of 6 bits in 12 bytes; x = d s q - m t. */
function scaleAndMinimum(bytes: DataView, at: number, group: number): ReturnType<BlockLayout['scaleOf']> {
  const packed = (i: number): number => bytes.getUint8(at + 4 + i)
  const [scale, minimum] =
    group < 4
      ? [packed(group) & 63, packed(group + 4) & 63]
      : [(packed(group + 4) & 15) | ((packed(group - 4) >>> 6) << 4), (packed(group + 4) >>> 4) | ((packed(group) >>> 6) << 4)]
  return { scale: f(halfAt(bytes, at) * scale), offset: -f(halfAt(bytes, at + 2) * minimum) }
}

export const q4_k: BlockLayout = {
  groupSize: 32,
  values: { kind: 'even', count: 16, zeroPoint: 0 },
  scaleOf: scaleAndMinimum,
  fields: [halves(16)],
  bias: 0,
}

export const q5_k: BlockLayout = {
  ...q4_k,
  values: { kind: 'even', count: 32, zeroPoint: 0 },
  fields: [halves(48), bitPlanes(16, 4)],
}

/** 16 groups of 16, signed scales of 8 bits; x = d s (q - 32). */
export const q6_k: BlockLayout = {
  groupSize: 16,
  values: { kind: 'even', count: 64, zeroPoint: 32 },
  scaleOf: (bytes, at, group) => ({ scale: f(halfAt(bytes, at + 208) * bytes.getInt8(at + 192 + group)), offset: 0 }),
  fields: [
    {
      from: 0,
      bits: 4,
      place: (e) => ({ byte: 64 * (e >>> 7) + 32 * ((e >>> 5) & 1) + (e & 31), shift: 4 * ((e >>> 6) & 1) }),
    },
    { from: 4, bits: 2, place: (e) => ({ byte: 128 + 32 * (e >>> 7) + (e & 31), shift: 2 * ((e >>> 5) & 3) }) },
  ],
  bias: 0,
}

/** -1, 0 and 1, a half scale for 256. */
export const tq2_0: BlockLayout = {
  groupSize: 256,
  values: { kind: 'even', count: 3, zeroPoint: 1 },
  scaleOf: (bytes, at) => ({ scale: halfAt(bytes, at + 64), offset: 0 }),
  fields: [quarters(0)],
  bias: 0,
}
