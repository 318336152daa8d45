// d G d^T for groups of columns, as products of 8 x 8 tiles: eight rows d against eight columns of G.
import { packPanels } from './gram'
import { storeTile } from './tile.generated'

const TILE: usize = memory.data(256, 16)

/** Rows [first, first + count) of delta, columns [start, start + width), to [8][padded] and to [padded][8]; 0 outside. */
function packRows(delta: usize, columns: i32, first: i32, count: i32, start: i32, width: i32, padded: i32, rows: usize, panel: usize): void {
  memory.fill(rows, 0, (<usize>padded) << 5)
  memory.fill(panel, 0, (<usize>padded) << 5)
  for (let r = 0; r < count; r++) {
    const from = delta + ((<usize>(first + r) * columns + start) << 2)
    memory.copy(rows + ((<usize>r * padded) << 2), from, (<usize>width) << 2)
    for (let k = 0; k < width; k++) {
      store<f32>(panel + ((<usize>k) << 5) + ((<usize>r) << 2), load<f32>(from + ((<usize>k) << 2)))
    }
  }
}

/** SUM of 8 products in f64. */
@inline
function dot8(a: usize, b: usize): f64 {
  let sum = f64x2.splat(0)
  for (let at: usize = 0; at < 32; at += 8) {
    const x = f64x2.promote_low_f32x4(v128.load64_zero(a + at))
    const y = f64x2.promote_low_f32x4(v128.load64_zero(b + at))
    sum = f64x2.add(sum, f64x2.mul(x, y))
  }
  return f64x2.extract_lane(sum, 0) + f64x2.extract_lane(sum, 1)
}

/**
 * Losses [rows, groups] of delta [rows, columns]; `blocks` holds G of each group of `span` columns. With width the wider of a
 * group rounded up to 8: `panels` has room for width^2 f32, `deltaRows` and `deltaPanel` for 8 * width.
 */
export function groupLosses(
  delta: usize,
  rows: i32,
  columns: i32,
  blocks: usize,
  span: i32,
  losses: usize,
  panels: usize,
  deltaRows: usize,
  deltaPanel: usize,
): void {
  const groups = (columns + span - 1) / span
  for (let group = 0; group < groups; group++) {
    const start = group * span
    const width = min(span, columns - start)
    const padded = (width + 7) & ~7
    packPanels(blocks + ((<usize>start * span) << 2), width, width, width, panels)
    for (let row = 0; row < rows; row += 8) {
      const present = min(8, rows - row)
      packRows(delta, columns, row, present, start, width, padded, deltaRows, deltaPanel)
      for (let r = 0; r < present; r++) store<f64>(losses + ((<usize>(row + r) * groups + group) << 3), 0)
      for (let j = 0; j < padded; j += 8) {
        storeTile(deltaPanel, panels + <usize>j * ((<usize>width) << 2), width, TILE, 32)
        for (let r = 0; r < present; r++) {
          const to = losses + ((<usize>(row + r) * groups + group) << 3)
          const d = deltaRows + ((<usize>r * padded + j) << 2)
          store<f64>(to, load<f64>(to) + dot8(TILE + ((<usize>r) << 5), d))
        }
      }
    }
  }
}
