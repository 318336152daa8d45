import type { FactorOptions, InverseFactor } from '../contract/feedback.ts'

/** In f64, one column after the other; see `FactorOptions` for what U is. */
export function factorInverse(gram: Float32Array, { order, damping }: FactorOptions): InverseFactor {
  const n = Math.sqrt(gram.length)
  const columnAt = (reversed: number): number => order?.[n - 1 - reversed] ?? n - 1 - reversed
  // The lower triangle of the reversed matrix; it becomes its Cholesky factor L.
  const lower = new Float64Array(n * n)
  for (let a = 0; a < n; a++) {
    for (let b = 0; b <= a; b++) {
      const [i, j] = [columnAt(a), columnAt(b)]
      lower[a * n + b] = (gram[Math.min(i, j) * n + Math.max(i, j)] ?? 0) + (a === b ? damping : 0)
    }
  }
  const dot = (a: number, b: number, count: number): number => {
    let sum = 0
    for (let k = 0; k < count; k++) sum += (lower[a * n + k] ?? 0) * (lower[b * n + k] ?? 0)
    return sum
  }
  for (let j = 0; j < n; j++) {
    const pivot = (lower[j * n + j] ?? 0) - dot(j, j, j)
    if (!(pivot > 0 && pivot < Infinity)) return { kind: 'not-positive-definite', column: columnAt(j) }
    const root = Math.sqrt(pivot)
    lower[j * n + j] = root
    for (let i = j + 1; i < n; i++) lower[i * n + j] = ((lower[i * n + j] ?? 0) - dot(i, j, j)) / root
  }
  // Y = L^-1 by columns: L Y = I.
  const upper = new Float32Array(n * n)
  const column = new Float64Array(n)
  for (let j = 0; j < n; j++) {
    for (let i = j; i < n; i++) {
      let sum = i === j ? 1 : 0
      for (let k = j; k < i; k++) sum -= (lower[i * n + k] ?? 0) * (column[k] ?? 0)
      column[i] = sum / (lower[i * n + i] ?? 1)
      upper[(n - 1 - i) * n + (n - 1 - j)] = column[i] ?? 0
    }
  }
  return { kind: 'factor', upper }
}
