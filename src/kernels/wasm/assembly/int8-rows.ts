// Rows of int8 as in LLM.int8(); the rule is at `Int8RowsTensor`, the plain form in ../../reference/int8-rows.ts.
import { INFINITY_BITS, integers, largestU32, magnitudeBits, narrowS8, storeScaled } from './lanes'

const PER_LEVEL: f32 = 7.874015718698502e-3

/** Bits of the largest magnitude of count weights. */
@inline
function largestBits(x: usize, count: i32): u32 {
  let a = i32x4.splat(0)
  let b = a
  let c = a
  let d = a
  let p = x
  for (const end = x + (<usize>(count & ~15) << 2); p < end; p += 64) {
    a = i32x4.max_u(a, magnitudeBits(v128.load(p)))
    b = i32x4.max_u(b, magnitudeBits(v128.load(p, 16)))
    c = i32x4.max_u(c, magnitudeBits(v128.load(p, 32)))
    d = i32x4.max_u(d, magnitudeBits(v128.load(p, 48)))
  }
  let largest = largestU32(i32x4.max_u(i32x4.max_u(a, b), i32x4.max_u(c, d)))
  for (const end = x + (<usize>count << 2); p < end; p += 4) largest = max(largest, load<u32>(p) & 0x7fffffff)
  return largest
}

@inline
function codes4(x: usize, factor: v128): v128 {
  return integers(f32x4.mul(v128.load(x), factor))
}

/** Codes and scales of [rows, columns] at x; writes up to 15 codes past the end. Returns 1 when a weight is not finite. */
export function quantizeInt8Rows(x: usize, rows: i32, columns: i32, codes: usize, scales: usize): i32 {
  for (let row = 0; row < rows; row++) {
    const from = x + ((<usize>row * columns) << 2)
    const to = codes + <usize>row * columns
    const largest = largestBits(from, columns)
    if (largest >= INFINITY_BITS) return 1
    const scale = reinterpret<f32>(largest)
    store<f32>(scales + (<usize>row << 2), scale)
    const levels: f32 = <f32>127 / scale
    if (levels == Infinity) {
      memory.fill(to, 0, columns)
      continue
    }
    const factor = f32x4.splat(levels)
    for (let i: usize = 0; i < <usize>columns; i += 16) {
      const p = from + (i << 2)
      v128.store(to + i, narrowS8(codes4(p, factor), codes4(p + 16, factor), codes4(p + 32, factor), codes4(p + 48, factor)))
    }
  }
  return 0
}

/** Values of [rows, columns]: (code * scale) / 127 in two steps, as bitsandbytes takes them; writes up to 15 past the end. */
export function dequantizeInt8Rows(codes: usize, scales: usize, rows: i32, columns: i32, values: usize): void {
  const perLevel = f32x4.splat(PER_LEVEL)
  for (let row = 0; row < rows; row++) {
    const scale = v128.load32_splat(scales + (<usize>row << 2))
    const from = codes + <usize>row * columns
    const to = values + ((<usize>row * columns) << 2)
    for (let i: usize = 0; i < <usize>columns; i += 16) {
      const p = to + (i << 2)
      storeScaled(p, v128.load(from + i), scale)
      v128.store(p, f32x4.mul(v128.load(p), perLevel))
      v128.store(p, f32x4.mul(v128.load(p, 16), perLevel), 16)
      v128.store(p, f32x4.mul(v128.load(p, 32), perLevel), 32)
      v128.store(p, f32x4.mul(v128.load(p, 48), perLevel), 48)
    }
  }
}
