import { equalBytes } from '../core/equal-bytes.ts'
import { widenHalf } from '../core/float16.ts'
import { signedWordsIn } from '../core/words.ts'
import { bytesOfFloats } from '../quantization/join-arrays.ts'

/** A scale of a file for each run of 32 / `runs` columns of blocks of 32. */
interface BlockScales {
  readonly scales: Float32Array
  readonly runs: number
}

/** Whether scales of a file are, bit by bit, the halves that stored blocks of `blockBytes` begin with. Shares no code with the writers. */
export function sameBlockScales({ scales, runs }: BlockScales, blocks: Uint8Array, blockBytes: number): boolean {
  const count = blocks.length / blockBytes
  if (scales.length !== count * runs) return false
  const halves = new Uint16Array(scales.length)
  for (let at = 0, index = 0; index < halves.length; at += blockBytes) {
    const half = (blocks[at] ?? 0) | ((blocks[at + 1] ?? 0) << 8)
    for (const end = index + runs; index < end; index++) halves[index] = half
  }
  return equalBytes(bytesOfFloats(widenHalf(halves)), bytesOfFloats(scales))
}

/**
 * Whether codes of a file are those of stored Q8_0 blocks: the same bytes, or with `flip` 0x80 those around 128. Two blocks, 17 words,
 * at a time: codes of the first begin within a word.
 */
export function sameQ8Codes(codes: Uint8Array | Int8Array, blocks: Uint8Array, flip: 0 | 0x80): boolean {
  if (blocks.length * 32 !== codes.length * 34) return false
  const found = new Uint8Array(codes.buffer, codes.byteOffset, codes.length)
  const even = found.length & ~63
  const [words, stored] = [signedWordsIn(found.subarray(0, even)), signedWordsIn(blocks.subarray(0, (even / 32) * 34))]
  const flips = Math.imul(flip, 0x01010101)
  for (let at = 0, from = 0; at < words.length; ) {
    let differing = 0
    let word = stored[from++] ?? 0
    for (const end = at + 8; at < end; at++) {
      const next = stored[from++] ?? 0
      differing |= (words[at] ?? 0) ^ ((word >>> 16) | (next << 16)) ^ flips
      word = next
    }
    for (const end = at + 8; at < end; at++, from++) differing |= (words[at] ?? 0) ^ (stored[from] ?? 0) ^ flips
    if (differing !== 0) return false
  }
  return equalBytes(found.subarray(even), blocks.subarray((even / 32) * 34 + 2), flip)
}

/** Whether codes of a file, two a byte in their order, are those of stored Q4_0 blocks, whose bytes hold a code of each half. */
export function sameQ4Codes(codes: Uint8Array, blocks: Uint8Array): boolean {
  if (blocks.length * 16 !== codes.length * 18) return false
  for (let at = 0, from = 2; at < codes.length; at += 16, from += 18) {
    for (let i = 0; i < 8; i++) {
      const [first, second] = [codes[at + i] ?? 0, codes[at + 8 + i] ?? 0]
      if (((first & 15) | ((second & 15) << 4)) !== blocks[from + 2 * i]) return false
      if (((first >> 4) | (second & 0xf0)) !== blocks[from + 2 * i + 1]) return false
    }
  }
  return true
}

/** Whether codes of a file around 128, a byte each, are those of stored Q5_0 blocks. */
export function sameQ5Codes(codes: Uint8Array, blocks: Uint8Array): boolean {
  if (blocks.length * 32 !== codes.length * 22) return false
  for (let at = 0, from = 0; at < codes.length; at += 32, from += 22) {
    let fifths = 0
    for (let i = 0; i < 16; i++) {
      const [first, second] = [(codes[at + i] ?? 0) - 112, (codes[at + 16 + i] ?? 0) - 112]
      if ((first | second) >>> 5 !== 0 || ((first & 15) | ((second & 15) << 4)) !== blocks[from + 6 + i]) return false
      fifths |= ((first >> 4) << i) | ((second >> 4) << (16 + i))
    }
    for (let i = 0; i < 4; i++) if (((fifths >>> (8 * i)) & 0xff) !== blocks[from + 2 + i]) return false
  }
  return true
}
