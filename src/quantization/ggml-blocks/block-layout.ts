import { floatFromHalf } from '../../core/float16.ts'

/** The values of one group of a block: scale (q - zeroPoint) + offset, or scale * level + offset. */
export interface GroupScale {
  readonly scale: number
  readonly offset: number
}

/** A run of bits of every code. */
export interface BitField {
  /** Lowest bit of the code that lies here, and how many. */
  readonly from: number
  readonly bits: number
  /** Byte of the block and lowest bit in it, by element. */
  readonly place: (element: number) => { readonly byte: number; readonly shift: number }
}

/** Codes 0 .. count - 1, `zeroPoint` the one that stands for the offset alone. */
export interface EvenSteps {
  readonly kind: 'even'
  readonly count: number
  readonly zeroPoint: number
}

/** Sorted levels and, by index, the bits that stand for each. */
export interface ListedLevels {
  readonly kind: 'levels'
  readonly levels: readonly number[]
  readonly bits: readonly number[]
}

/** What error feedback needs of a ggml type: the scales in a finished block, and where the codes of its elements lie. */
export interface BlockLayout {
  readonly groupSize: number
  readonly values: EvenSteps | ListedLevels
  /** Scale of a group as the runtime computes it, every step in f32. */
  readonly scaleOf: (bytes: DataView, at: number, group: number) => GroupScale
  readonly fields: readonly BitField[]
  /** Added to a code before its bits are written, modulo 256: -127 for signed bytes. */
  readonly bias: number
}

export const halfAt = (bytes: DataView, at: number): number => floatFromHalf(bytes.getUint16(at, true))

/** 32 codes of 4 bits from a byte on: element j in the low half of byte j, j + 16 in the high half; 16 bytes for every 32. */
export const nibbles = (start: number): BitField => ({
  from: 0,
  bits: 4,
  place: (e) => ({ byte: start + 16 * (e >>> 5) + (e & 15), shift: e & 16 ? 4 : 0 }),
})

/** One bit an element, in order, from a byte on. */
export const bitRow = (start: number): BitField => ({
  from: 4,
  bits: 1,
  place: (e) => ({ byte: start + (e >>> 3), shift: e & 7 }),
})

/** 256 codes of 2 bits: byte 32 h + l holds elements 128 h + l, + 32, + 64, + 96 from its low bits on. */
export const quarters = (start: number): BitField => ({
  from: 0,
  bits: 2,
  place: (e) => ({ byte: start + 32 * (e >>> 7) + (e & 31), shift: 2 * ((e >>> 5) & 3) }),
})

/** One bit of 256 codes: element e at bit e >>> 5 of byte e & 31. */
export const bitPlanes = (start: number, from: number): BitField => ({
  from,
  bits: 1,
  place: (e) => ({ byte: start + (e & 31), shift: e >>> 5 }),
})

/** 256 codes of 4 bits: byte 32 c + l holds elements 64 c + l and 64 c + 32 + l. */
export const halves = (start: number): BitField => ({
  from: 0,
  bits: 4,
  place: (e) => ({ byte: start + 32 * (e >>> 6) + (e & 31), shift: e & 32 ? 4 : 0 }),
})
