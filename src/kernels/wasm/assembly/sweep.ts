// Rounding with error feedback; what it computes is at `SweepOptions` of the contract, the plain form in ../../reference/sweep.ts.
// Eight rows lie in the lanes of two vectors. Within a block a column collects the errors of the block's columns before it;
// after a block the rest of the row gets its errors as a product of 8 x 8 tiles.
import { fitGroup, fittedStep, fittedZero } from './fit'
import { hasNonFinite } from './lanes'
import { subtractTile } from './tile.generated'

/** The block at work: weights, then codes, and errors, both [position][8 rows]; U of the block by columns. */
const CURRENT: usize = memory.data(4096, 16)
const ERRORS: usize = memory.data(4096, 16)
const FACTOR: usize = memory.data(65536, 16)
/** (w - offset) / scale of 8 rows, and the level chosen for each. */
const QUOTIENTS: usize = memory.data(32, 16)
const CHOSEN: usize = memory.data(32, 16)

const FIT: i32 = 0
const UNIFORM: i32 = 1
const SHARED_LEVELS: i32 = 2

/**
 * Copies rows of [rows, columns] at x to rows of `stride` floats in the order of positions; `order` is 0 or i32 by position.
 * What lies beyond the columns is 0. Returns 1 when a weight is not finite.
 */
export function arrangeColumns(x: usize, rows: i32, columns: i32, order: usize, work: usize, stride: i32): i32 {
  if (hasNonFinite(x, rows * columns)) return 1
  for (let row = 0; row < rows; row++) {
    const from = x + (<usize>(row * columns) << 2)
    const to = work + (<usize>(row * stride) << 2)
    memory.fill(to + (<usize>columns << 2), 0, <usize>(stride - columns) << 2)
    if (order == 0) memory.copy(to, from, <usize>columns << 2)
    else {
      for (let p: usize = 0; p < <usize>columns << 2; p += 4) store<f32>(to + p, load<f32>(from + (<usize>load<i32>(order + p) << 2)))
    }
  }
  return 0
}

/** U of positions [first, first + count) as FACTOR[j][k] = U[first + k][first + j], and right of them as panels [count][8]. */
function packFactor(upper: usize, columns: i32, first: i32, count: i32, panels: usize): void {
  const end = first + count
  const panelBytes = <usize>count << 5
  const whole = (columns - end) >> 3
  const rest = (columns - end) & 7
  for (let k = 0; k < count; k++) {
    const row = upper + ((<usize>(first + k) * columns) << 2)
    for (let j = k; j < count; j++) store<f32>(FACTOR + (<usize>((j << 7) + k) << 2), load<f32>(row + (<usize>(first + j) << 2)))
    let to = panels + (<usize>k << 5)
    let from = row + (<usize>end << 2)
    for (let p = 0; p < whole; p++) {
      v128.store(to, v128.load(from))
      v128.store(to, v128.load(from, 16), 16)
      to += panelBytes
      from += 32
    }
    if (rest) {
      memory.fill(to, 0, 32)
      memory.copy(to, from, <usize>rest << 2)
    }
  }
}

/** Four weights' index in 0 .. largest, as f32; NaN is 0. pmax(0, v) is v only where 0 < v. */
@inline
function uniformIndex(quotient: v128, zero: v128, largest: v128): v128 {
  const shifted = f32x4.add(f32x4.nearest(quotient), zero)
  return f32x4.pmin(f32x4.pmax(f32x4.splat(0), shifted), largest)
}

/** Index of the nearest level: how many midpoints are not above the quotient. Midpoints beyond the last are NaN. */
@inline
function levelIndex(quotient: f32, midpoints: usize, size: i32): i32 {
  let index = 0
  for (let step = size >> 1; step > 0; step >>= 1) {
    index += quotient >= load<f32>(midpoints + (<usize>(index + step - 1) << 2)) ? step : 0
  }
  return index
}

/** Fits the group that begins at `position` for the 8 rows at `rows`, to lanes `group` of steps and zeros. */
function fitRows(rows: usize, stride: usize, position: i32, count: i32, rule: i32, units: usize, step: usize, zero: usize): void {
  for (let r: usize = 0; r < 8; r++) {
    fitGroup(rows + r * stride + (<usize>position << 2), count, rule >> 1, (rule & 1) != 0, units)
    store<f32>(step + (r << 2), fittedStep)
    store<f32>(zero + (r << 2), fittedZero)
  }
}

/** Positions from `position` on that share its group. */
@inline
function runLength(groupOf: usize, position: i32, columns: i32): i32 {
  const group = load<i32>(groupOf + (<usize>position << 2))
  let end = position + 1
  while (end < columns && load<i32>(groupOf + (<usize>end << 2)) == group) end++
  return end - position
}

/**
 * work: [rows rounded up to 8, stride] in the order of positions, used up. upper: U [columns, columns]. groupOf: i32 by
 * position. kind: 0 fit, 1 uniform, 2 shared levels, 3 levels by group; parameter: bits * 2 + symmetric, the largest code, or the
 * size of a table, a power of two. scales, zeros, offsets: lanes [rows / 8][groups][8]. midpoints, levels: [tables][size].
 * units: room for a group where ranges are searched for, else 0. codes: u8 [rows rounded up to 8, columns]. losses: f32 by row, 0 before. panels: room for block * (stride) f32.
 */
export function sweepColumns(
  work: usize,
  rows: i32,
  columns: i32,
  stride: i32,
  upper: usize,
  block: i32,
  order: usize,
  groupOf: usize,
  groups: i32,
  kind: i32,
  parameter: i32,
  scales: usize,
  zeros: usize,
  offsets: usize,
  midpoints: usize,
  levels: usize,
  units: usize,
  codes: usize,
  losses: usize,
  panels: usize,
): void {
  const rowBytes = <usize>stride << 2
  const largest = f32x4.splat(kind == FIT ? <f32>((1 << (parameter >> 1)) - 1) : <f32>parameter)
  const none = f32x4.splat(0)
  for (let first = 0; first < columns; first += block) {
    const count = min(block, columns - first)
    const end = first + count
    packFactor(upper, columns, first, count, panels)
    for (let row = 0; row < rows; row += 8) {
      const lanes = <usize>((row >> 3) * groups) << 5
      const rowWork = work + <usize>row * rowBytes
      for (let r: usize = 0; r < 8; r++) {
        const from = rowWork + r * rowBytes + (<usize>first << 2)
        for (let k: usize = 0; k < <usize>count; k++) store<f32>(CURRENT + (k << 5) + (r << 2), load<f32>(from + (k << 2)))
      }
      let loss0 = v128.load(losses + (<usize>row << 2))
      let loss1 = v128.load(losses + (<usize>row << 2), 16)
      for (let i = 0; i < count; i++) {
        const factor = FACTOR + (<usize>i << 9)
        const current = CURRENT + (<usize>i << 5)
        let a = v128.load(current)
        let b = v128.load(current, 16)
        let a1 = none
        let b1 = none
        let m = 0
        for (; m < i - 1; m += 2) {
          const even = v128.load32_splat(factor + (<usize>m << 2))
          const odd = v128.load32_splat(factor + (<usize>m << 2), 4)
          const e = ERRORS + (<usize>m << 5)
          a = f32x4.sub(a, f32x4.mul(even, v128.load(e)))
          b = f32x4.sub(b, f32x4.mul(even, v128.load(e, 16)))
          a1 = f32x4.sub(a1, f32x4.mul(odd, v128.load(e, 32)))
          b1 = f32x4.sub(b1, f32x4.mul(odd, v128.load(e, 48)))
        }
        if (m < i) {
          const even = v128.load32_splat(factor + (<usize>m << 2))
          const e = ERRORS + (<usize>m << 5)
          a = f32x4.sub(a, f32x4.mul(even, v128.load(e)))
          b = f32x4.sub(b, f32x4.mul(even, v128.load(e, 16)))
        }
        a = f32x4.add(a, a1)
        b = f32x4.add(b, b1)

        const position = first + i
        const group = load<i32>(groupOf + (<usize>position << 2))
        const at = lanes + (<usize>group << 5)
        if (kind == FIT && (position == 0 || load<i32>(groupOf + (<usize>(position - 1) << 2)) != group)) {
          fitRows(rowWork, rowBytes, position, runLength(groupOf, position, columns), parameter, units, scales + at, zeros + at)
        }
        const scaleA = v128.load(scales + at)
        const scaleB = v128.load(scales + at, 16)
        const offsetA = v128.load(offsets + at)
        const offsetB = v128.load(offsets + at, 16)
        const quotientA = v128.andnot(f32x4.div(f32x4.sub(a, offsetA), scaleA), f32x4.eq(scaleA, none))
        const quotientB = v128.andnot(f32x4.div(f32x4.sub(b, offsetB), scaleB), f32x4.eq(scaleB, none))
        let levelA: v128
        let levelB: v128
        if (kind <= UNIFORM) {
          const zeroA = v128.load(zeros + at)
          const zeroB = v128.load(zeros + at, 16)
          const indexA = uniformIndex(quotientA, zeroA, largest)
          const indexB = uniformIndex(quotientB, zeroB, largest)
          v128.store(current, i32x4.trunc_sat_f32x4_s(indexA))
          v128.store(current, i32x4.trunc_sat_f32x4_s(indexB), 16)
          levelA = f32x4.sub(indexA, zeroA)
          levelB = f32x4.sub(indexB, zeroB)
        } else {
          v128.store(QUOTIENTS, quotientA)
          v128.store(QUOTIENTS, quotientB, 16)
          for (let r: usize = 0; r < 8; r++) {
            const table = kind == SHARED_LEVELS ? 0 : ((<usize>row + r) * groups + group) * parameter
            const index = levelIndex(load<f32>(QUOTIENTS + (r << 2)), midpoints + (table << 2), parameter)
            store<i32>(current + (r << 2), index)
            store<f32>(CHOSEN + (r << 2), load<f32>(levels + ((table + index) << 2)))
          }
          levelA = v128.load(CHOSEN)
          levelB = v128.load(CHOSEN, 16)
        }
        const pivot = v128.load32_splat(factor + (<usize>i << 2))
        const errorA = f32x4.div(f32x4.sub(a, f32x4.add(f32x4.mul(scaleA, levelA), offsetA)), pivot)
        const errorB = f32x4.div(f32x4.sub(b, f32x4.add(f32x4.mul(scaleB, levelB), offsetB)), pivot)
        v128.store(ERRORS + (<usize>i << 5), errorA)
        v128.store(ERRORS + (<usize>i << 5), errorB, 16)
        loss0 = f32x4.add(loss0, f32x4.mul(errorA, errorA))
        loss1 = f32x4.add(loss1, f32x4.mul(errorB, errorB))
      }
      v128.store(losses + (<usize>row << 2), loss0)
      v128.store(losses + (<usize>row << 2), loss1, 16)
      for (let r: usize = 0; r < 8; r++) {
        const to = codes + (<usize>row + r) * columns
        for (let k: usize = 0; k < <usize>count; k++) {
          const column = order ? <usize>load<i32>(order + ((<usize>first + k) << 2)) : <usize>first + k
          store<u8>(to + column, load<u8>(CURRENT + (k << 5) + (r << 2)))
        }
      }
      passErrors(panels, count, rowWork, rowBytes, end, columns)
    }
  }
}

/** The block's errors of 8 rows, to the positions from `end` on. Exported for the reason given at `addColumnOfTiles`. */
export function passErrors(panels: usize, count: i32, rowWork: usize, rowBytes: usize, end: i32, columns: i32): void {
  const panelBytes = <usize>count << 5
  for (let column = end, panel = panels; column < columns; column += 8, panel += panelBytes) {
    subtractTile(ERRORS, panel, count, rowWork + (<usize>column << 2), rowBytes)
  }
}
