import { widenHalf } from '../core/float16.ts'
import { sameBytes } from '../kernels/codes/same.ts'
import { bytesOfFloats } from '../quantization/join-arrays.ts'

/** Whether scales of a file are, bit by bit, the halves that stored blocks of `blockBytes` begin with. Shares no code with the writers. */
export function sameBlockScales(scales: Float32Array, blocks: Uint8Array, blockBytes: number): boolean {
  const count = blocks.length / blockBytes
  if (scales.length !== count) return false
  const halves = new Uint16Array(count)
  for (let at = 0, index = 0; index < count; at += blockBytes, index++) halves[index] = (blocks[at] ?? 0) | ((blocks[at + 1] ?? 0) << 8)
  return sameBytes(bytesOfFloats(scales), bytesOfFloats(widenHalf(halves)))
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
