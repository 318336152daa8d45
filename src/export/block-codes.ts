import { widenHalf } from '../core/float16.ts'
import { shortWordsIn } from '../core/words.ts'

// Blocks of ggml are whole words of 16 bits, the scale first. Those of Q8_0 are taken apart by `kernels/codes`.

/** The halves that blocks of `blockBytes` begin with, widened. */
export function blockHalves(blocks: Uint8Array, blockBytes: number): Float32Array<ArrayBuffer> {
  const words = shortWordsIn(blocks)
  const each = blockBytes / 2
  const halves = new Uint16Array(words.length / each)
  for (let i = 0, at = 0; i < halves.length; i++, at += each) halves[i] = words[at] ?? 0
  return widenHalf(halves)
}

/**
 * Codes of Q4_0 blocks (a half, then 16 bytes: the first 16 codes in the low halves, the others in the high ones) in their order, two
 * a byte, the first one low.
 */
export function q4Codes(blocks: Uint8Array): Uint8Array<ArrayBuffer> {
  const words = shortWordsIn(blocks)
  const codes = new Uint8Array((words.length / 9) * 16)
  for (let from = 0, to = 0; to < codes.length; to += 8) {
    from++
    for (const end = to + 8; to < end; to++) {
      const four = words[from++] ?? 0
      codes[to] = (four & 0x0f) | ((four >>> 4) & 0xf0)
      codes[to + 8] = ((four >>> 4) & 0x0f) | ((four >>> 8) & 0xf0)
    }
  }
  return codes
}

/** Codes of Q5_0 blocks (a half, a fifth bit of each of 32 codes, then as Q4_0) a byte each, moved from around 16 to around 128. */
export function q5Codes(blocks: Uint8Array): Uint8Array<ArrayBuffer> {
  const codes = new Uint8Array((blocks.length / 22) * 32)
  for (let from = 0, to = 0; to < codes.length; from += 22, to += 32) {
    for (let i = 0; i < 16; i++) {
      const two = blocks[from + 6 + i] ?? 0
      const fifths = (blocks[from + 2 + (i >> 3)] ?? 0) >> (i & 7)
      const others = (blocks[from + 4 + (i >> 3)] ?? 0) >> (i & 7)
      codes[to + i] = ((two & 0x0f) | ((fifths & 1) << 4)) + 112
      codes[to + 16 + i] = ((two >>> 4) | ((others & 1) << 4)) + 112
    }
  }
  return codes
}
