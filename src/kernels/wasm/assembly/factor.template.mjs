// The factor of error feedback. AssemblyScript has neither closures nor macros, so the inner loop is written by this script.

const range = (count) => [...Array(count).keys()]
const each = (count, line) => range(count).map(line).join('\n')

export const source = `// Written by factor.template.mjs; change that.
// Pieces of the factor of error feedback in f64, see contract/factor.ts. Here a panel of L is [columns][4] and a panel of Y
// [rows][4], panels of a kind \`stride\` bytes apart: both are read in order by the one inner loop.

/** Rows and columns that are solved together. */
const BLOCK: i32 = 64
/** Columns of L that an update takes at once, so that the panels it needs again stay in the cache. */
const DEPTH: i32 = 256
/** Diagonal blocks of L, one behind the other, each row by row, and 1 / their diagonals. */
const DIAGONALS: usize = memory.data(65536, 16)
const PIVOTS: usize = memory.data(1024, 16)

@inline
function diagonalAt(start: i32): usize {
  return DIAGONALS + ((<usize>start * BLOCK) << 3)
}

@inline
function pivotsAt(start: i32): usize {
  return PIVOTS + (<usize>start << 3)
}

/** C[4][4] -= A[depth][4]^T B[depth][4], all of them with rows of 4. Not unrolled: see tile.template.mjs. */
@inline
function subtractProduct(a0: usize, b0: usize, depth: i32, c: usize): void {
  let a = a0
  const zero = f64x2.splat(0)
${each(4, (r) => `  let p${r} = zero\n  let q${r} = zero`)}
  for (let b = b0, end = b0 + (<usize>depth << 5); b < end; a += 32, b += 32) {
    const x = v128.load(b)
    const y = v128.load(b, 16)
    let v = zero
${each(
  4,
  (r) => `    v = v128.load64_splat(a, ${r * 8})
    p${r} = f64x2.add(p${r}, f64x2.mul(v, x))
    q${r} = f64x2.add(q${r}, f64x2.mul(v, y))`,
)}
  }
${each(
  4,
  (r) => `  v128.store(c, f64x2.sub(v128.load(c, ${r * 32}), p${r}), ${r * 32})
  v128.store(c, f64x2.sub(v128.load(c, ${r * 32 + 16}), q${r}), ${r * 32 + 16})`,
)}
}

/** Cholesky of the count x count block, in place, with 1 / its diagonal to \`pivots\`; the first pivot not above 0 as index + 1, else 0. */
function factorDiagonal(diagonal: usize, pivots: usize, count: i32): i32 {
  for (let j = 0; j < count; j++) {
    const row = diagonal + (<usize>j << 9)
    let pivot = load<f64>(row + (<usize>j << 3))
    for (let m: usize = 0; m < <usize>j << 3; m += 8) pivot -= load<f64>(row + m) * load<f64>(row + m)
    // Also refuses NaN and infinity.
    if (!(pivot > 0 && pivot <= f64.MAX_VALUE)) return j + 1
    const inverse = 1 / Math.sqrt(pivot)
    store<f64>(pivots + (<usize>j << 3), inverse)
    for (let i = j + 1; i < count; i++) {
      const other = diagonal + (<usize>i << 9)
      let v = load<f64>(other + (<usize>j << 3))
      for (let m: usize = 0; m < <usize>j << 3; m += 8) v -= load<f64>(other + m) * load<f64>(row + m)
      store<f64>(other + (<usize>j << 3), v * inverse)
    }
  }
  return 0
}

/** The [count][4] at x becomes the solution of D x' = x with the triangle D at \`diagonal\`. */
function solveDiagonal(x: usize, diagonal: usize, pivots: usize, count: i32): void {
  for (let k = 0; k < count; k++) {
    const row = diagonal + (<usize>k << 9)
    const at = x + (<usize>k << 5)
    let a = v128.load(at)
    let b = v128.load(at, 16)
    let a1 = f64x2.splat(0)
    let b1 = a1
    let m = 0
    for (; m < k - 1; m += 2) {
      const even = v128.load64_splat(row + (<usize>m << 3))
      const odd = v128.load64_splat(row + (<usize>m << 3), 8)
      const z = x + (<usize>m << 5)
      a = f64x2.sub(a, f64x2.mul(even, v128.load(z)))
      b = f64x2.sub(b, f64x2.mul(even, v128.load(z, 16)))
      a1 = f64x2.sub(a1, f64x2.mul(odd, v128.load(z, 32)))
      b1 = f64x2.sub(b1, f64x2.mul(odd, v128.load(z, 48)))
    }
    if (m < k) {
      const even = v128.load64_splat(row + (<usize>m << 3))
      const z = x + (<usize>m << 5)
      a = f64x2.sub(a, f64x2.mul(even, v128.load(z)))
      b = f64x2.sub(b, f64x2.mul(even, v128.load(z, 16)))
    }
    const inverse = v128.load64_splat(pivots + (<usize>k << 3))
    v128.store(at, f64x2.mul(f64x2.add(a, a1), inverse))
    v128.store(at, f64x2.mul(f64x2.add(b, b1), inverse), 16)
  }
}

/**
 * Subtracts from one panel of L what its columns at \`at\` contribute to the columns of the pivots' panels [from, to), which begin
 * at \`first\`. Exported for the reason given at \`addColumnOfTiles\`.
 */
export function updateRowPanel(pivots: usize, stride: usize, from: i32, to: i32, panel: usize, first: i32, at: usize, depth: i32): void {
  for (let j = from; j < to; j++) {
    subtractProduct(pivots + <usize>j * stride + at, panel + at, depth, panel + (<usize>(first + (j << 2)) << 5))
  }
}

/** The rows of the pivots' own panels: their columns [first, first + count), final up to \`first\`, become those of L. 0, or 1 + the row that failed. */
export function factorPivots(pivots: usize, stride: usize, first: i32, count: i32): i32 {
  const own = count >> 2
  for (let k = 0; k < first; k += DEPTH) {
    const depth = min(DEPTH, first - k)
    for (let i = 0; i < own; i++) updateRowPanel(pivots, stride, 0, i + 1, pivots + <usize>i * stride, first, <usize>k << 5, depth)
  }
  for (let start = 0; start < count; start += BLOCK) {
    const end = min(start + BLOCK, count)
    const at = <usize>(first + start) << 5
    if (start) {
      for (let i = start >> 2; i < own; i++) {
        updateRowPanel(pivots, stride, start >> 2, min(end >> 2, i + 1), pivots + <usize>i * stride, first, <usize>first << 5, start)
      }
    }
    for (let a = start; a < end; a++) {
      const panel = pivots + <usize>(a >> 2) * stride + at + (<usize>(a & 3) << 3)
      const row = diagonalAt(start) + (<usize>(a - start) << 9)
      for (let b = 0; b <= a - start; b++) store<f64>(row + (<usize>b << 3), load<f64>(panel + (<usize>b << 5)))
    }
    const failed = factorDiagonal(diagonalAt(start), pivotsAt(start), end - start)
    if (failed) return start + failed
    for (let i = end >> 2; i < own; i++) solveDiagonal(pivots + <usize>i * stride + at, diagonalAt(start), pivotsAt(start), end - start)
    storeDiagonal(pivots, stride, at, start, end)
  }
  return 0
}

/** The factored block back to its panels, whose columns begin at \`at\`, with 1 / its diagonal and 0 above it. */
function storeDiagonal(pivots: usize, stride: usize, at: usize, start: i32, end: i32): void {
  for (let a = start; a < end; a++) {
    const panel = pivots + <usize>(a >> 2) * stride + at + (<usize>(a & 3) << 3)
    const row = diagonalAt(start) + (<usize>(a - start) << 9)
    for (let b = start; b <= (a | 3); b++) {
      let value: f64 = 0
      if (b < a) value = load<f64>(row + (<usize>(b - start) << 3))
      else if (b == a) value = load<f64>(pivotsAt(b))
      store<f64>(panel + (<usize>(b - start) << 5), value)
    }
  }
}

/** The same columns of \`count\` panels below, after \`factorPivots\`. */
export function solvePanels(pivots: usize, stride: usize, first: i32, width: i32, panels: usize, count: i32): void {
  for (let k = 0; k < first; k += DEPTH) {
    const depth = min(DEPTH, first - k)
    for (let i = 0; i < count; i++) updateRowPanel(pivots, stride, 0, width >> 2, panels + <usize>i * stride, first, <usize>k << 5, depth)
  }
  for (let start = 0; start < width; start += BLOCK) {
    const end = min(start + BLOCK, width)
    for (let i = 0; i < count; i++) {
      const panel = panels + <usize>i * stride
      if (start) updateRowPanel(pivots, stride, start >> 2, end >> 2, panel, first, <usize>first << 5, start)
      solveDiagonal(panel + (<usize>(first + start) << 5), diagonalAt(start), pivotsAt(start), end - start)
    }
  }
}

/**
 * Subtracts from one panel of Y what its rows at \`at\` contribute to \`count\` panels of rows of L, which go to \`to\`. Exported for
 * the reason given at \`addColumnOfTiles\`.
 */
export function updateColumnPanel(rows: usize, stride: usize, count: i32, panel: usize, at: usize, depth: i32, to: usize): void {
  for (let p = 0; p < count; p++, to += 128) subtractProduct(rows + <usize>p * stride + at, panel + at, depth, to)
}

/**
 * Rows [first, end) of panels [from, to) of Y, from the rows before. Rows and columns of Y and columns of L begin with
 * column 4 from; \`rows\` are the panels of L of these rows, of which those above 4 from are left out.
 */
export function invertRows(rows: usize, inverse: usize, stride: usize, from: i32, to: i32, first: i32, end: i32): void {
  const origin = from << 2
  const start = max(first, origin)
  for (let k = 0; k < first; k += DEPTH) {
    const last = min(k + DEPTH, first)
    for (let j = from; j < min(to, last >> 2); j++) {
      const panel = inverse + <usize>(j - from) * stride
      const begin = max(k, j << 2)
      updateColumnPanel(rows, stride, (end - first) >> 2, panel, <usize>(begin - origin) << 5, last - begin, panel + (<usize>(first - origin) << 5))
    }
  }
  for (let a = start; a < end; a++) {
    const panel = rows + <usize>((a - start) >> 2) * stride + (<usize>(a & 3) << 3)
    const row = DIAGONALS + (<usize>(a - first) << 9)
    for (let b = start; b < a; b++) store<f64>(row + (<usize>(b - first) << 3), load<f64>(panel + (<usize>(b - origin) << 5)))
    store<f64>(PIVOTS + (<usize>(a - first) << 3), load<f64>(panel + (<usize>(a - origin) << 5)))
  }
  for (let j = from; j < min(to, end >> 2); j++) {
    const panel = inverse + <usize>(j - from) * stride
    if (j << 2 < first) {
      solveDiagonal(panel + (<usize>(first - origin) << 5), DIAGONALS, PIVOTS, end - first)
      continue
    }
    for (let d: usize = 0; d < 4; d++) store<f64>(panel + (<usize>((j << 2) - origin) << 5) + d * 40, 1)
    solveUnit(panel + (<usize>((j << 2) - origin) << 5), (j << 2) - first, end - first)
  }
}

/** A panel of Y within its own diagonal block of L: rows [start, end) of the block, the first of them at x. */
function solveUnit(x: usize, start: i32, end: i32): void {
  for (let r = start; r < end; r++) {
    const row = DIAGONALS + (<usize>r << 9)
    const at = x + (<usize>(r - start) << 5)
    let a = v128.load(at)
    let b = v128.load(at, 16)
    for (let m = start; m < r; m++) {
      const v = v128.load64_splat(row + (<usize>m << 3))
      const z = x + (<usize>(m - start) << 5)
      a = f64x2.sub(a, f64x2.mul(v, v128.load(z)))
      b = f64x2.sub(b, f64x2.mul(v, v128.load(z, 16)))
    }
    const inverse = v128.load64_splat(PIVOTS + (<usize>r << 3))
    v128.store(at, f64x2.mul(a, inverse))
    v128.store(at, f64x2.mul(b, inverse), 16)
  }
}

/** The \`width\` columns of Y at \`inverse\`, of \`count\` rows, as columns of U: [count, width] f32, rows and columns reversed. */
export function storeColumns(inverse: usize, stride: usize, count: i32, width: i32, upper: usize): void {
  for (let i = 0; i < count; i++) {
    const y = inverse + (<usize>(count - 1 - i) << 5)
    let to = upper + (((<usize>(i + 1) * width) - 1) << 2)
    for (let b = 0; b < width; b++, to -= 4) {
      store<f32>(to, <f32>load<f64>(y + <usize>(b >> 2) * stride + (<usize>(b & 3) << 3)))
    }
  }
}
`
