import { type BlockLayout, bitRow, halfAt, nibbles } from './block-layout.ts'

/** Blocks of 32 with a half scale and, where codes start at the least weight, a half minimum. ggml-quants.c. */
function evenSteps(count: number, isSigned: boolean): BlockLayout {
  const scaleBytes = isSigned ? 2 : 4
  const hasFifth = count === 32
  return {
    groupSize: 32,
    values: { kind: 'even', count, zeroPoint: isSigned ? count / 2 : 0 },
    scaleOf: (bytes, at) => ({ scale: halfAt(bytes, at), offset: isSigned ? 0 : halfAt(bytes, at + 2) }),
    fields: hasFifth ? [nibbles(scaleBytes + 4), bitRow(scaleBytes)] : [nibbles(scaleBytes)],
    bias: 0,
  }
}

export const q4_0 = evenSteps(16, true)
export const q4_1 = evenSteps(16, false)
export const q5_0 = evenSteps(32, true)
export const q5_1 = evenSteps(32, false)

/** Signed bytes; -128 is left out, as ggml leaves it out. */
export const q8_0: BlockLayout = {
  groupSize: 32,
  values: { kind: 'even', count: 255, zeroPoint: 127 },
  scaleOf: (bytes, at) => ({ scale: halfAt(bytes, at), offset: 0 }),
  fields: [{ from: 0, bits: 8, place: (e) => ({ byte: 2 + e, shift: 0 }) }],
  bias: -127,
}
