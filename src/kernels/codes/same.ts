import { codeStage, type Stage, stageBytes } from './module.ts'

/** Bytes of a file and those that are stored, where so many of the one belong to so many of the other. */
interface Steps {
  readonly found: number
  readonly stored: number
}

/** Whether `same` holds of all pieces: of as many steps at a time as fit, `steps` of them. */
function ofAll(found: Uint8Array, stored: Uint8Array, each: Steps, same: (stage: Stage, steps: number) => number): boolean {
  const stage = codeStage()
  const { memory, first, second } = stage
  const atOnce = Math.floor(stageBytes / Math.max(each.found, each.stored))
  const all = found.length / each.found
  if (atOnce === 0 || !Number.isInteger(all) || all !== stored.length / each.stored) return false
  for (let at = 0; at < all; at += atOnce) {
    const end = Math.min(all, at + atOnce)
    memory.set(found.subarray(at * each.found, end * each.found), first)
    memory.set(stored.subarray(at * each.stored, end * each.stored), second)
    if (same(stage, end - at) === 0) return false
  }
  return true
}

/** Whether two stretches of bytes are the same, or differ in the bits of `flip` each. */
export function sameBytes(found: Uint8Array, stored: Uint8Array, flip: 0 | 0x80 = 0): boolean {
  return ofAll(found, stored, { found: 1, stored: 1 }, ({ wasm, first, second }, bytes) => wasm.sameBytes(first, second, bytes, flip))
}

/** Codes and scales of a file, a scale for each 32 / `runs` codes. */
export interface RunsOfBlocks {
  readonly codes: Uint8Array
  readonly scales: Float32Array
  readonly runs: number
}

/**
 * Whether codes and scales of a file are bit by bit those of stored Q8_0 blocks (a half, then 32 codes): the same codes, or with `flip`
 * 0x80 those around 128.
 */
export function sameQ8({ codes, scales, runs }: RunsOfBlocks, blocks: Uint8Array, flip: 0 | 0x80): boolean {
  const { wasm, memory, first, second } = codeStage()
  const all = blocks.length / 34
  if (!Number.isInteger(all) || codes.length !== 32 * all || scales.length !== runs * all) return false
  const floats = new Uint8Array(scales.buffer, scales.byteOffset, scales.byteLength)
  const atOnce = Math.floor(stageBytes / (32 + 4 * runs))
  for (let at = 0; at < all; at += atOnce) {
    const end = Math.min(all, at + atOnce)
    const ofScales = first + 32 * (end - at)
    memory.set(codes.subarray(32 * at, 32 * end), first)
    memory.set(floats.subarray(4 * runs * at, 4 * runs * end), ofScales)
    memory.set(blocks.subarray(34 * at, 34 * end), second)
    if (wasm.sameQ8(first, ofScales, second, end - at, flip, runs) === 0) return false
  }
  return true
}

/** Codes of `to` bits that are stored, and that a file has as `factor * code + moved` in fields of `bits` bits. */
export interface Narrowing {
  readonly bits: number
  readonly moved: number
  readonly factor: number
  readonly to: number
}

/** Whether fields of a file are the codes of a stored bit stream, of whole eights of codes; 1 to 7 bits in 2, 4 or 8. */
export function sameFields(found: Uint8Array, stored: Uint8Array, { bits, moved, factor, to }: Narrowing): boolean {
  let less = 0n
  for (let field = 0; field < 8; field++) less = (less << BigInt(bits)) | BigInt(moved)
  const steps = { found: 2 * bits, stored: 2 * to }
  const whole = found.length - (found.length % steps.found)
  const wholeStored = (whole / bits) * to
  const same = ({ wasm, first, second }: Stage, codes: number): number => wasm.sameFields(first, second, codes, to, bits, factor - 1, less)
  return (
    ofAll(found.subarray(0, whole), stored.subarray(0, wholeStored), steps, (stage, count) => same(stage, 16 * count)) &&
    ofAll(found.subarray(whole), stored.subarray(wholeStored), { found: bits, stored: to }, (stage, count) => same(stage, 8 * count))
  )
}

/**
 * Whether rows of two bits a code are those stored five to a byte with 1 added; what fills the last byte of a row up is 0. `columns` is a
 * multiple of 16.
 */
export function sameTrits(found: Uint8Array, stored: Uint8Array, columns: number): boolean {
  return ofAll(found, stored, { found: columns / 4, stored: Math.ceil(columns / 5) }, ({ wasm, first, second }, rows) =>
    wasm.sameTrits(first, second, rows, columns),
  )
}
