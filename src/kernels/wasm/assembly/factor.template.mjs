// The factor of error feedback. AssemblyScript has neither closures nor macros, so the inner loop is written by this script.

const range = (count) => [...Array(count).keys()]
const each = (count, line) => range(count).map(line).join('\n')

export const source = `// Written by factor.template.mjs; change that.
// U with (G + damping I)^-1 = U^T U in f64: L = Cholesky factor of the reversed matrix, Y = L^-1, U[i][j] = Y[n-1-i][n-1-j].
//
// L lies in panels of 4 rows, panel p as [4 (p + 1)][4]: column by column, up to and with its diagonal. Y lies in panels of
// 4 columns, panel p as [size - 4 p][4]: row by row, from its diagonal on. So both are read in order by the one inner loop,
// and neither keeps room for its zeros. \`size\` is n rounded up to 4; what is added is a unit matrix.

/** Columns that are finished together. */
const BLOCK: i32 = 64
/** Columns of L that an update takes at once, so that the panels it needs again stay in the cache. */
const DEPTH: i32 = 256
/** The diagonal block of L, row by row, and 1 / its diagonal. */
const DIAGONAL: usize = memory.data(32768, 16)
const PIVOTS: usize = memory.data(512, 16)

/** Where panel p of L begins. */
@inline
function rowPanel(lower: usize, p: i32): usize {
  return lower + ((<usize>p * (p + 1)) << 6)
}

/** Where row 0 of column panel p of Y would lie. */
@inline
function columnPanel(inverse: usize, size: i32, p: i32): usize {
  return inverse + ((<usize>p * size - ((<usize>p * (p - 1)) << 1) - (<usize>p << 2)) << 5)
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

/** Cholesky of the count x count block at DIAGONAL, in place; the first pivot not above 0 as index + 1, else 0. */
function factorDiagonal(count: i32): i32 {
  for (let j = 0; j < count; j++) {
    const row = DIAGONAL + (<usize>j << 9)
    let pivot = load<f64>(row + (<usize>j << 3))
    for (let m: usize = 0; m < <usize>j << 3; m += 8) pivot -= load<f64>(row + m) * load<f64>(row + m)
    // Also refuses NaN and infinity.
    if (!(pivot > 0 && pivot <= f64.MAX_VALUE)) return j + 1
    const inverse = 1 / Math.sqrt(pivot)
    store<f64>(PIVOTS + (<usize>j << 3), inverse)
    for (let i = j + 1; i < count; i++) {
      const other = DIAGONAL + (<usize>i << 9)
      let v = load<f64>(other + (<usize>j << 3))
      for (let m: usize = 0; m < <usize>j << 3; m += 8) v -= load<f64>(other + m) * load<f64>(row + m)
      store<f64>(other + (<usize>j << 3), v * inverse)
    }
  }
  return 0
}

/** The [count][4] at x becomes the solution of D x' = x with the triangle D at DIAGONAL. */
function solveDiagonal(x: usize, count: i32): void {
  for (let k = 0; k < count; k++) {
    const row = DIAGONAL + (<usize>k << 9)
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
    const inverse = v128.load64_splat(PIVOTS + (<usize>k << 3))
    v128.store(at, f64x2.mul(f64x2.add(a, a1), inverse))
    v128.store(at, f64x2.mul(f64x2.add(b, b1), inverse), 16)
  }
}

/** The reversed, damped matrix to the panels of L. \`gram\` is [n, n], upper triangle; \`order\` is 0 or i32 by position. */
function fillPanels(gram: usize, n: i32, size: i32, order: usize, damping: f64, lower: usize): void {
  memory.fill(lower, 0, rowPanel(0, size >> 2))
  for (let a = 0; a < size; a++) {
    const panel = rowPanel(lower, a >> 2) + (<usize>(a & 3) << 3)
    if (a >= n) {
      store<f64>(panel + (<usize>a << 5), 1)
      continue
    }
    const i = order ? load<i32>(order + (<usize>(n - 1 - a) << 2)) : n - 1 - a
    for (let b = 0; b <= a; b++) {
      const j = order ? load<i32>(order + (<usize>(n - 1 - b) << 2)) : n - 1 - b
      const value = load<f32>(gram + ((<usize>min(i, j) * n + max(i, j)) << 2))
      store<f64>(panel + (<usize>b << 5), <f64>value)
    }
    store<f64>(panel + (<usize>a << 5), load<f64>(panel + (<usize>a << 5)) + damping)
  }
}

/** Subtracts what the finished columns [0, first) contribute to the panels of L from \`first\` on, in columns [first, end). */
function updateColumns(lower: usize, size: i32, first: i32, end: i32): void {
  for (let from = 0; from < first; from += DEPTH) {
    const depth = min(DEPTH, first - from)
    const at = <usize>from << 5
    for (let i = first >> 2; i < size >> 2; i++) updateRowPanel(lower, i, first >> 2, min(end >> 2, i + 1), at, depth)
  }
}

/** The same for panel i of L and column panels [from, to). Exported for the reason given at \`addColumnOfTiles\`. */
export function updateRowPanel(lower: usize, i: i32, from: i32, to: i32, at: usize, depth: i32): void {
  const panel = rowPanel(lower, i)
  for (let j = from; j < to; j++) subtractProduct(rowPanel(lower, j) + at, panel + at, depth, panel + (<usize>j << 7))
}

/** Rows [first, end) of Y, from the rows before. */
function invertRows(lower: usize, inverse: usize, size: i32, first: i32, end: i32): void {
  for (let from = 0; from < first; from += DEPTH) {
    const to = min(from + DEPTH, first)
    for (let j = 0; j << 2 < to; j++) {
      const panel = columnPanel(inverse, size, j)
      const start = max(from, j << 2)
      const at = <usize>start << 5
      updateColumnPanel(lower, panel, first >> 2, end >> 2, at, to - start)
    }
  }
  for (let j = 0; j < end >> 2; j++) {
    const panel = columnPanel(inverse, size, j)
    if (j << 2 < first) {
      solveDiagonal(panel + (<usize>first << 5), end - first)
      continue
    }
    // Below its diagonal a panel is 0; above it lies another panel, so that the triangle is solved from there.
    for (let d: usize = 0; d < 4; d++) store<f64>(panel + (<usize>j << 7) + d * 40, 1)
    solveUnit(panel, j << 2, first, end)
  }
}

/** The same for one panel of Y and row panels [from, to) of L. Exported for the reason given at \`addColumnOfTiles\`. */
export function updateColumnPanel(lower: usize, panel: usize, from: i32, to: i32, at: usize, depth: i32): void {
  for (let p = from; p < to; p++) subtractProduct(rowPanel(lower, p) + at, panel + at, depth, panel + (<usize>p << 7))
}

/** Column panel of Y within its own diagonal block: rows from \`start\` on. */
function solveUnit(panel: usize, start: i32, first: i32, end: i32): void {
  for (let r = start; r < end; r++) {
    const row = DIAGONAL + (<usize>(r - first) << 9)
    const at = panel + (<usize>r << 5)
    let a = v128.load(at)
    let b = v128.load(at, 16)
    for (let m = start; m < r; m++) {
      const v = v128.load64_splat(row + (<usize>(m - first) << 3))
      const z = panel + (<usize>m << 5)
      a = f64x2.sub(a, f64x2.mul(v, v128.load(z)))
      b = f64x2.sub(b, f64x2.mul(v, v128.load(z, 16)))
    }
    const inverse = v128.load64_splat(PIVOTS + (<usize>(r - first) << 3))
    v128.store(at, f64x2.mul(a, inverse))
    v128.store(at, f64x2.mul(b, inverse), 16)
  }
}

/**
 * Replaces the upper triangle of G at \`gram\` [n, n] by U, with zeros below. \`lower\` and \`inverse\` have room for
 * size (size + 4) / 2 f64 each. Returns 0, or 1 + the position whose pivot was not above 0.
 */
export function factorInverse(gram: usize, n: i32, order: usize, damping: f64, lower: usize, inverse: usize): i32 {
  const size = (n + 3) & ~3
  fillPanels(gram, n, size, order, damping, lower)
  memory.fill(inverse, 0, rowPanel(0, size >> 2))
  for (let first = 0; first < size; first += BLOCK) {
    const end = min(first + BLOCK, size)
    updateColumns(lower, size, first, end)
    for (let a = first; a < end; a++) {
      const panel = rowPanel(lower, a >> 2) + (<usize>(a & 3) << 3)
      const row = DIAGONAL + (<usize>(a - first) << 9)
      for (let b = first; b <= a; b++) store<f64>(row + (<usize>(b - first) << 3), load<f64>(panel + (<usize>b << 5)))
    }
    const failed = factorDiagonal(end - first)
    if (failed) return n - (first + failed - 1)
    for (let i = end >> 2; i < size >> 2; i++) solveDiagonal(rowPanel(lower, i) + (<usize>first << 5), end - first)
    invertRows(lower, inverse, size, first, end)
  }
  for (let i = 0; i < n; i++) {
    const row = gram + ((<usize>i * n) << 2)
    memory.fill(row, 0, <usize>i << 2)
    const a = n - 1 - i
    for (let j = i; j < n; j++) {
      const b = n - 1 - j
      const at = columnPanel(inverse, size, b >> 2) + (<usize>a << 5) + (<usize>(b & 3) << 3)
      store<f32>(row + (<usize>j << 2), <f32>load<f64>(at))
    }
  }
  return 0
}
`
