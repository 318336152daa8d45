// Upper triangle of X^T X and trace(D G D^T), both as products of 8 x 8 tiles over panels of 8 columns.
import { addTile, storeTile } from './tile.generated'

/** A tile of its own, for edges and for the trace. */
const TILE: usize = memory.data(256, 16)

/** Rows that are packed together: panels lie a power of two apart, where few lines of the cache can be open at once. */
const PACK_ROWS: i32 = 8

/**
 * Copies [depth, columns] at x, whose rows are `stride` elements apart, to panels of 8 columns, each [depth][8]; beyond the
 * columns is 0.
 */
export function packPanels(x: usize, stride: i32, columns: i32, depth: i32, panels: usize): void {
  const panelBytes = (<usize>depth) << 5
  const rowBytes = (<usize>stride) << 2
  const whole = columns >> 3
  const rest = columns & 7
  for (let first = 0; first < depth; first += PACK_ROWS) {
    const end = min(first + PACK_ROWS, depth)
    for (let p = 0; p < whole; p++) {
      let from = x + <usize>first * rowBytes + ((<usize>p) << 5)
      let to = panels + <usize>p * panelBytes + ((<usize>first) << 5)
      for (let k = first; k < end; k++, from += rowBytes, to += 32) {
        v128.store(to, v128.load(from))
        v128.store(to, v128.load(from, 16), 16)
      }
    }
    if (rest) {
      for (let k = first; k < end; k++) {
        const to = panels + <usize>whole * panelBytes + ((<usize>k) << 5)
        memory.fill(to, 0, 32)
        memory.copy(to, x + <usize>k * rowBytes + ((<usize>whole) << 5), (<usize>rest) << 2)
      }
    }
  }
}

/**
 * Adds X^T X of [tokens, width] at x, whose rows are `stride` elements apart, to the stripe [rows, width] at gram, from the
 * diagonal on. `tokens` is at most `gramTokenBlock`; `panels` has room for tokens * (width rounded up to 8) f32.
 */
export function accumulateGram(x: usize, tokens: i32, stride: i32, gram: usize, rows: i32, width: i32, panels: usize): void {
  const columnPanels = (width + 7) >> 3
  packPanels(x, stride, width, tokens, panels)
  for (let j = 0; j < columnPanels; j++) addColumnOfTiles(panels, tokens, gram, rows, width, j)
}

/**
 * Adds the products of panel j with the panels up to it. Exported so that it is not inlined: a function of its own is
 * compiled again by the optimizing compiler after few calls, while a first call of `accumulateGram` may last a second.
 */
export function addColumnOfTiles(panels: usize, depth: i32, gram: usize, rows: i32, width: i32, j: i32): void {
  const stride = (<usize>width) << 2
  const panelBytes = (<usize>depth) << 5
  const b = panels + <usize>j * panelBytes
  const last = min(j, ((rows + 7) >> 3) - 1)
  for (let i = 0; i <= last; i++) {
    const a = panels + <usize>i * panelBytes
    const c = gram + <usize>(i << 3) * stride + ((<usize>j) << 5)
    if ((i << 3) + 8 <= rows && (j << 3) + 8 <= width) addTile(a, b, depth, c, stride)
    else {
      storeTile(a, b, depth, TILE, 32)
      addEdge(c, stride, min(8, rows - (i << 3)), min(8, width - (j << 3)))
    }
  }
}

/** Adds a^T b of two panels to the rows and columns of a tile that the matrix has. */
export function addEdgeTile(a: usize, b: usize, depth: i32, c: usize, stride: usize, rows: i32, columns: i32): void {
  storeTile(a, b, depth, TILE, 32)
  addEdge(c, stride, rows, columns)
}

function addEdge(c: usize, stride: usize, rows: i32, columns: i32): void {
  for (let r = 0; r < rows; r++) {
    for (let k = 0; k < columns; k++) {
      const at = c + <usize>r * stride + ((<usize>k) << 2)
      store<f32>(at, load<f32>(at) + load<f32>(TILE + ((<usize>r) << 5) + ((<usize>k) << 2)))
    }
  }
}

/** Rows of the stripe whose products are summed in f32 before the sums go on in f64. */
const TRACE_BLOCK: i32 = 128

/** The stripe's rows [first, first + depth) as panels, with half the diagonal and nothing below it. */
function packUpper(gram: usize, width: i32, first: i32, depth: i32, panels: usize): void {
  packPanels(gram + ((<usize>first * width) << 2), width, width, depth, panels)
  const panelBytes = (<usize>depth) << 5
  for (let k = 0; k < depth; k++) {
    for (let j = first & ~7; j <= first + k; j++) {
      const at = panels + <usize>(j >> 3) * panelBytes + ((<usize>k) << 5) + ((<usize>(j & 7)) << 2)
      store<f32>(at, j == first + k ? load<f32>(at) * <f32>0.5 : 0)
    }
  }
}

/**
 * 2 SUM d^T U d over the rows d of delta [count, width], `stride` elements apart, where U is the stripe [rows, width] with
 * half its diagonal: the stripe's part of trace(D G D^T). `panels` has room for TRACE_BLOCK * (width rounded up to 8) f32,
 * `deltaRows` for 8 * (width rounded up to 8), `deltaPanel` for 8 * TRACE_BLOCK.
 */
export function traceThroughGram(
  gram: usize,
  rows: i32,
  width: i32,
  delta: usize,
  stride: i32,
  count: i32,
  panels: usize,
  deltaRows: usize,
  deltaPanel: usize,
): f64 {
  const paddedWidth = (width + 7) & ~7
  const columnPanels = paddedWidth >> 3
  let trace: f64 = 0
  for (let first = 0; first < rows; first += TRACE_BLOCK) {
    const depth = min(TRACE_BLOCK, rows - first)
    packUpper(gram, width, first, depth, panels)
    for (let row = 0; row < count; row += 8) {
      const present = min(8, count - row)
      memory.fill(deltaRows, 0, (<usize>paddedWidth) << 5)
      for (let r = 0; r < present; r++) {
        memory.copy(deltaRows + ((<usize>r * paddedWidth) << 2), delta + ((<usize>(row + r) * stride) << 2), (<usize>width) << 2)
      }
      for (let k = 0; k < depth; k++) {
        for (let r = 0; r < 8; r++) {
          const value = load<f32>(deltaRows + ((<usize>r * paddedWidth + first + k) << 2))
          store<f32>(deltaPanel + ((<usize>k) << 5) + ((<usize>r) << 2), value)
        }
      }
      let sum0 = f64x2.splat(0)
      let sum1 = sum0
      for (let j = first >> 3; j < columnPanels; j++) {
        storeTile(deltaPanel, panels + <usize>j * ((<usize>depth) << 5), depth, TILE, 32)
        for (let r: usize = 0; r < 8; r++) {
          const d = deltaRows + ((r * paddedWidth + (j << 3)) << 2)
          for (let half: usize = 0; half < 32; half += 16) {
            const c = v128.load(TILE + (r << 5) + half)
            const w = v128.load(d + half)
            sum0 = f64x2.add(sum0, f64x2.mul(f64x2.promote_low_f32x4(c), f64x2.promote_low_f32x4(w)))
            const c1 = v128.shuffle<i64>(c, c, 1, 0)
            const w1 = v128.shuffle<i64>(w, w, 1, 0)
            sum1 = f64x2.add(sum1, f64x2.mul(f64x2.promote_low_f32x4(c1), f64x2.promote_low_f32x4(w1)))
          }
        }
      }
      const sum = f64x2.add(sum0, sum1)
      trace += f64x2.extract_lane(sum, 0) + f64x2.extract_lane(sum, 1)
    }
  }
  return 2 * trace
}
