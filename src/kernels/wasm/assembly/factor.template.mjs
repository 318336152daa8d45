// The factor of error feedback. AssemblyScript has neither closures nor macros, so the inner loop is written by this script.

const range = (count) => [...Array(count).keys()]
const each = (count, line) => range(count).map(line).join('\n')
const forTypes = (code) => ['64', '32'].map((bits) => code(`f${bits}`, bits)).join('\n\n')

export const source = `// Written by factor.template.mjs; change that.
// Pieces of the factor of error feedback in f64 or f32 (T), see contract/factor.ts. With the W rows of a panel, 4 of f64 or 8
// of f32, which are 32 bytes: a panel of L is [columns][W] and a panel of Y [rows][W], panels of a kind \`stride\` bytes apart.
// Both are read in order by the one inner loop.

/** Rows and columns that are solved together. */
const BLOCK: i32 = 64
/** Columns of L that an update takes at once, so that the panels it needs again stay in the cache. */
const DEPTH: i32 = 256
/** Diagonal blocks of L, one behind the other, each row by row in 512 bytes, and 1 / their diagonals. */
const DIAGONALS: usize = memory.data(65536, 16)
const PIVOTS: usize = memory.data(1024, 16)

/** W. */
@inline
function panelRows<T>(): i32 {
  return 32 / <i32>sizeof<T>()
}

/** Bytes of so many values. */
@inline
function bytesOf<T>(count: i32): usize {
  return <usize>count * sizeof<T>()
}

@inline
function diagonalAt(start: i32): usize {
  return DIAGONALS + (<usize>start << 9)
}

@inline
function pivotsAt<T>(start: i32): usize {
  return PIVOTS + bytesOf<T>(start)
}

/** Where column 0 of a row is, in panels that begin at \`panels\`. */
@inline
function rowAt<T>(panels: usize, stride: usize, row: i32): usize {
  return panels + <usize>(row / panelRows<T>()) * stride + bytesOf<T>(row % panelRows<T>())
}

/** C[4][W] -= A[depth][4]^T B[depth][W], all of them with 32 bytes from row to row. Not unrolled: see tile.template.mjs. */
@inline
function subtractProduct<T>(a0: usize, b0: usize, depth: i32, c: usize): void {
  let a = a0
  const zero = v128.splat<T>(0)
${each(4, (r) => `  let p${r} = zero\n  let q${r} = zero`)}
  for (let b = b0, end = b0 + (<usize>depth << 5); b < end; a += 32, b += 32) {
    const x = v128.load(b)
    const y = v128.load(b, 16)
    let v = zero
${each(
  4,
  (r) => `    v = v128.load_splat<T>(a + ${r} * sizeof<T>())
    p${r} = v128.add<T>(p${r}, v128.mul<T>(v, x))
    q${r} = v128.add<T>(q${r}, v128.mul<T>(v, y))`,
)}
  }
${each(
  4,
  (r) => `  v128.store(c, v128.sub<T>(v128.load(c, ${r * 32}), p${r}), ${r * 32})
  v128.store(c, v128.sub<T>(v128.load(c, ${r * 32 + 16}), q${r}), ${r * 32 + 16})`,
)}
}

/** Cholesky of the count x count block, in place, with 1 / its diagonal to \`pivots\`; the first pivot not above 0 as index + 1, else 0. */
function factorDiagonal<T>(diagonal: usize, pivots: usize, count: i32): i32 {
  for (let j = 0; j < count; j++) {
    const row = diagonal + (<usize>j << 9)
    let pivot = load<T>(row + bytesOf<T>(j))
    for (let m: usize = 0; m < bytesOf<T>(j); m += sizeof<T>()) pivot -= load<T>(row + m) * load<T>(row + m)
    // Also refuses NaN and infinity.
    if (!(pivot > 0 && isFinite<T>(pivot))) return j + 1
    const inverse = <T>1 / sqrt<T>(pivot)
    store<T>(pivots + bytesOf<T>(j), inverse)
    for (let i = j + 1; i < count; i++) {
      const other = diagonal + (<usize>i << 9)
      let v = load<T>(other + bytesOf<T>(j))
      for (let m: usize = 0; m < bytesOf<T>(j); m += sizeof<T>()) v -= load<T>(other + m) * load<T>(row + m)
      store<T>(other + bytesOf<T>(j), v * inverse)
    }
  }
  return 0
}

/** The [count][W] at x becomes the solution of D x' = x with the triangle D at \`diagonal\`. */
function solveDiagonal<T>(x: usize, diagonal: usize, pivots: usize, count: i32): void {
  for (let k = 0; k < count; k++) {
    const row = diagonal + (<usize>k << 9)
    const at = x + (<usize>k << 5)
    let a = v128.load(at)
    let b = v128.load(at, 16)
    let a1 = v128.splat<T>(0)
    let b1 = a1
    let m = 0
    for (; m < k - 1; m += 2) {
      const even = v128.load_splat<T>(row + bytesOf<T>(m))
      const odd = v128.load_splat<T>(row + bytesOf<T>(m + 1))
      const z = x + (<usize>m << 5)
      a = v128.sub<T>(a, v128.mul<T>(even, v128.load(z)))
      b = v128.sub<T>(b, v128.mul<T>(even, v128.load(z, 16)))
      a1 = v128.sub<T>(a1, v128.mul<T>(odd, v128.load(z, 32)))
      b1 = v128.sub<T>(b1, v128.mul<T>(odd, v128.load(z, 48)))
    }
    if (m < k) {
      const even = v128.load_splat<T>(row + bytesOf<T>(m))
      const z = x + (<usize>m << 5)
      a = v128.sub<T>(a, v128.mul<T>(even, v128.load(z)))
      b = v128.sub<T>(b, v128.mul<T>(even, v128.load(z, 16)))
    }
    const inverse = v128.load_splat<T>(pivots + bytesOf<T>(k))
    v128.store(at, v128.mul<T>(v128.add<T>(a, a1), inverse))
    v128.store(at, v128.mul<T>(v128.add<T>(b, b1), inverse), 16)
  }
}

/**
 * Subtracts from one panel of L what its columns at \`at\` contribute to the columns [from, to) after \`first\`, which are the rows
 * of the pivots' panels.
 */
@inline
function updateColumns<T>(pivots: usize, stride: usize, from: i32, to: i32, panel: usize, first: i32, at: usize, depth: i32): void {
  for (let j = from; j < to; j += 4) {
    subtractProduct<T>(rowAt<T>(pivots, stride, j) + at, panel + at, depth, panel + (<usize>(first + j) << 5))
  }
}

/** Exported for the reason given at \`addColumnOfTiles\`. */
${forTypes(
  (type, bits) => `export function updateColumns${bits}(pivots: usize, stride: usize, from: i32, to: i32, panel: usize, first: i32, at: usize, depth: i32): void {
  updateColumns<${type}>(pivots, stride, from, to, panel, first, at, depth)
}`,
)}

@inline
function updateColumnsOf<T>(pivots: usize, stride: usize, from: i32, to: i32, panel: usize, first: i32, at: usize, depth: i32): void {
  if (sizeof<T>() == 8) updateColumns64(pivots, stride, from, to, panel, first, at, depth)
  else updateColumns32(pivots, stride, from, to, panel, first, at, depth)
}

/** The rows of the pivots' own panels: their columns [first, first + count), final up to \`first\`, become those of L. 0, or 1 + the row that failed. */
function factorPivots<T>(pivots: usize, stride: usize, first: i32, count: i32): i32 {
  for (let k = 0; k < first; k += DEPTH) {
    updateTriangle<T>(pivots, stride, 0, count, 0, count, first, <usize>k << 5, min(DEPTH, first - k))
  }
  for (let start = 0; start < count; start += BLOCK) {
    const end = min(start + BLOCK, count)
    const at = <usize>(first + start) << 5
    if (start) updateTriangle<T>(pivots, stride, start, end, start, count, first, <usize>first << 5, start)
    for (let a = start; a < end; a++) {
      const from = rowAt<T>(pivots, stride, a) + at
      const row = diagonalAt(a)
      for (let b = 0; b <= a - start; b++) store<T>(row + bytesOf<T>(b), load<T>(from + (<usize>b << 5)))
    }
    const failed = factorDiagonal<T>(diagonalAt(start), pivotsAt<T>(start), end - start)
    if (failed) return start + failed
    for (let i = end; i < count; i += panelRows<T>()) {
      solveDiagonal<T>(rowAt<T>(pivots, stride, i) + at, diagonalAt(start), pivotsAt<T>(start), end - start)
    }
    storeDiagonal<T>(pivots, stride, at, start, end)
  }
  return 0
}

/** \`updateColumns\` for the columns [from, to) of the pivots' own panels of the rows [top, bottom), up to their diagonals. */
function updateTriangle<T>(pivots: usize, stride: usize, from: i32, to: i32, top: i32, bottom: i32, first: i32, at: usize, depth: i32): void {
  for (let i = top; i < bottom; i += panelRows<T>()) {
    updateColumnsOf<T>(pivots, stride, from, min(to, i + panelRows<T>()), rowAt<T>(pivots, stride, i), first, at, depth)
  }
}

/** The factored block back to its panels, whose columns begin at \`at\`, with 1 / its diagonal and 0 above it. */
function storeDiagonal<T>(pivots: usize, stride: usize, at: usize, start: i32, end: i32): void {
  for (let a = start; a < end; a++) {
    const to = rowAt<T>(pivots, stride, a) + at
    const row = diagonalAt(a)
    for (let b = start; b <= (a | (panelRows<T>() - 1)); b++) {
      let value: T = 0
      if (b < a) value = load<T>(row + bytesOf<T>(b - start))
      else if (b == a) value = load<T>(pivotsAt<T>(b))
      store<T>(to + (<usize>(b - start) << 5), value)
    }
  }
}

/** The same columns of \`count\` panels below, after \`factorPivots\`. */
function solvePanels<T>(pivots: usize, stride: usize, first: i32, width: i32, panels: usize, count: i32): void {
  for (let k = 0; k < first; k += DEPTH) {
    const depth = min(DEPTH, first - k)
    for (let i = 0; i < count; i++) updateColumnsOf<T>(pivots, stride, 0, width, panels + <usize>i * stride, first, <usize>k << 5, depth)
  }
  for (let start = 0; start < width; start += BLOCK) {
    const end = min(start + BLOCK, width)
    for (let i = 0; i < count; i++) {
      const panel = panels + <usize>i * stride
      if (start) updateColumnsOf<T>(pivots, stride, start, end, panel, first, <usize>first << 5, start)
      solveDiagonal<T>(panel + (<usize>(first + start) << 5), diagonalAt(start), pivotsAt<T>(start), end - start)
    }
  }
}

/** Subtracts from one panel of Y what its rows at \`at\` contribute to \`count\` rows of panels of L, which go to \`to\`. */
@inline
function updateRows<T>(rows: usize, stride: usize, count: i32, panel: usize, at: usize, depth: i32, to: usize): void {
  for (let i = 0; i < count; i += 4, to += 128) subtractProduct<T>(rowAt<T>(rows, stride, i) + at, panel + at, depth, to)
}

/** Exported as above. */
${forTypes(
  (type, bits) => `export function updateRows${bits}(rows: usize, stride: usize, count: i32, panel: usize, at: usize, depth: i32, to: usize): void {
  updateRows<${type}>(rows, stride, count, panel, at, depth, to)
}`,
)}

@inline
function updateRowsOf<T>(rows: usize, stride: usize, count: i32, panel: usize, at: usize, depth: i32, to: usize): void {
  if (sizeof<T>() == 8) updateRows64(rows, stride, count, panel, at, depth, to)
  else updateRows32(rows, stride, count, panel, at, depth, to)
}

/**
 * Rows [first, end) of panels [from, to) of Y, from the rows before. Rows and columns of Y and columns of L begin with
 * column W from; \`rows\` are the panels of L of these rows, of which those above W from are left out.
 */
function invertRows<T>(rows: usize, inverse: usize, stride: usize, from: i32, to: i32, first: i32, end: i32): void {
  const origin = from * panelRows<T>()
  const start = max(first, origin)
  for (let k = 0; k < first; k += DEPTH) {
    const last = min(k + DEPTH, first)
    for (let j = from; j < min(to, last / panelRows<T>()); j++) {
      const panel = inverse + <usize>(j - from) * stride
      const begin = max(k, j * panelRows<T>())
      updateRowsOf<T>(rows, stride, end - first, panel, <usize>(begin - origin) << 5, last - begin, panel + (<usize>(first - origin) << 5))
    }
  }
  for (let a = start; a < end; a++) {
    const row = rowAt<T>(rows, stride, a - start)
    const to = DIAGONALS + (<usize>(a - first) << 9)
    for (let b = start; b < a; b++) store<T>(to + bytesOf<T>(b - first), load<T>(row + (<usize>(b - origin) << 5)))
    store<T>(pivotsAt<T>(a - first), load<T>(row + (<usize>(a - origin) << 5)))
  }
  for (let j = from; j < min(to, end / panelRows<T>()); j++) {
    const panel = inverse + <usize>(j - from) * stride
    const top = j * panelRows<T>()
    if (top < first) {
      solveDiagonal<T>(panel + (<usize>(first - origin) << 5), DIAGONALS, PIVOTS, end - first)
      continue
    }
    const at = panel + (<usize>(top - origin) << 5)
    for (let d = 0; d < panelRows<T>(); d++) store<T>(at + (<usize>d << 5) + bytesOf<T>(d), 1)
    solveUnit<T>(at, top - first, end - first)
  }
}

/** A panel of Y within its own diagonal block of L: rows [start, end) of the block, the first of them at x. */
function solveUnit<T>(x: usize, start: i32, end: i32): void {
  for (let r = start; r < end; r++) {
    const row = diagonalAt(r)
    const at = x + (<usize>(r - start) << 5)
    let a = v128.load(at)
    let b = v128.load(at, 16)
    for (let m = start; m < r; m++) {
      const v = v128.load_splat<T>(row + bytesOf<T>(m))
      const z = x + (<usize>(m - start) << 5)
      a = v128.sub<T>(a, v128.mul<T>(v, v128.load(z)))
      b = v128.sub<T>(b, v128.mul<T>(v, v128.load(z, 16)))
    }
    const inverse = v128.load_splat<T>(pivotsAt<T>(r))
    v128.store(at, v128.mul<T>(a, inverse))
    v128.store(at, v128.mul<T>(b, inverse), 16)
  }
}

/** The \`width\` columns of Y at \`inverse\`, of \`count\` rows, as columns of U: [count, width] f32, rows and columns reversed. */
function storeColumns<T>(inverse: usize, stride: usize, count: i32, width: i32, upper: usize): void {
  for (let i = 0; i < count; i++) {
    const y = inverse + (<usize>(count - 1 - i) << 5)
    let to = upper + (((<usize>(i + 1) * width) - 1) << 2)
    for (let b = 0; b < width; b++, to -= 4) store<f32>(to, <f32>load<T>(rowAt<T>(y, stride, b)))
  }
}

${forTypes(
  (type, bits) => `export function factorPivots${bits}(pivots: usize, stride: usize, first: i32, count: i32): i32 {
  return factorPivots<${type}>(pivots, stride, first, count)
}

export function solvePanels${bits}(pivots: usize, stride: usize, first: i32, width: i32, panels: usize, count: i32): void {
  solvePanels<${type}>(pivots, stride, first, width, panels, count)
}

export function invertRows${bits}(rows: usize, inverse: usize, stride: usize, from: i32, to: i32, first: i32, end: i32): void {
  invertRows<${type}>(rows, inverse, stride, from, to, first, end)
}

export function storeColumns${bits}(inverse: usize, stride: usize, count: i32, width: i32, upper: usize): void {
  storeColumns<${type}>(inverse, stride, count, width, upper)
}`,
)}
`
