import { codeStage, stageBytes } from './module.ts'

/** Codes of `from` bits that become `factor * code + shift` in fields of `to` bits. */
export interface Widening {
  readonly from: number
  readonly to: number
  readonly factor: 1 | 2
  readonly shift: number
}

/** `shift` in each of eight fields. */
function inEightFields(shift: number, bits: number): bigint {
  let all = 0n
  for (let field = 0; field < 8; field++) all |= BigInt(shift) << BigInt(field * bits)
  return all
}

/** What `run` makes of pieces of `bytes`, `step` of them at a time, each `into.length / bytes.length` times as long, in `into`. */
function inStages(
  bytes: Uint8Array,
  { step, into }: { readonly step: number; readonly into: Uint8Array },
  run: (bytes: number) => void,
): void {
  const { memory, first, second } = codeStage()
  for (let from = 0, to = 0; from < bytes.length; from += step) {
    const piece = bytes.subarray(from, from + step)
    memory.set(piece, first)
    run(piece.length)
    const made = (piece.length * into.length) / bytes.length
    into.set(memory.subarray(second, second + made), to)
    to += made
  }
}

/** Codes of 8 bits around 128 as bytes in two's complement, and the other way round. */
export function flipSigns(bytes: Uint8Array, into: Uint8Array<ArrayBuffer> = new Uint8Array(bytes.length)): Uint8Array<ArrayBuffer> {
  const { wasm, first, second } = codeStage()
  inStages(bytes, { step: stageBytes, into }, (count) => wasm.flipBytes(first, count, second, 0x80))
  return into
}

/** Blocks of Q8_0 at a time: their codes and scales fit in a stage too. */
const blocksAtOnce = Math.floor(stageBytes / 36)

/**
 * Fills `codes` with those of Q8_0 blocks (a half, then 32 in two's complement), which `flip` 0x80 moves to around 128; returns the
 * halves as floats.
 */
export function splitQ8(blocks: Uint8Array, flip: 0 | 0x80, codes: Uint8Array): Float32Array<ArrayBuffer> {
  const { wasm, memory, first, second } = codeStage()
  const scales = new Float32Array(blocks.length / 34)
  const ofScales = new Float32Array(memory.buffer, second + 32 * blocksAtOnce, blocksAtOnce)
  for (let at = 0; at < scales.length; at += blocksAtOnce) {
    const count = Math.min(blocksAtOnce, scales.length - at)
    memory.set(blocks.subarray(34 * at, 34 * (at + count)), first)
    wasm.splitQ8(first, count, second, ofScales.byteOffset, flip)
    codes.set(memory.subarray(second, second + 32 * count), 32 * at)
    scales.set(ofScales.subarray(0, count), at)
  }
  return scales
}

/** A bit stream of whole sixteens of codes, 1 to 7 bits each, in wider fields of 2, 4 or 8; `into` is as much longer. */
export function widenFields(codes: Uint8Array, { from, to, factor, shift }: Widening, into: Uint8Array): void {
  const { wasm, first, second } = codeStage()
  const more = inEightFields(shift, to)
  const step = 2 * from * Math.floor(stageBytes / (2 * to))
  inStages(codes, { step, into }, (bytes) => wasm.widenFields(first, (8 * bytes) / from, second, from, to, factor - 1, more))
}

/**
 * Rows of codes of 0 to 2, five a byte in base 3, as fields of two bits with 1 added; `columns` is a multiple of 16. False where a row
 * is too long to be done at once.
 */
export function widenTrits(codes: Uint8Array, columns: number, into: Uint8Array): boolean {
  const { wasm, first, second } = codeStage()
  const rowBytes = Math.ceil(columns / 5)
  const rows = Math.floor(stageBytes / Math.max(rowBytes, columns / 4))
  if (rows === 0) return false
  inStages(codes, { step: rows * rowBytes, into }, (bytes) => wasm.widenTrits(first, bytes / rowBytes, columns, second))
  return true
}
