/** SUM of a term over values in f64, in four parts by index modulo 4 that are added as (0 + 1) + (2 + 3). */
export function sumInFour(values: Float32Array, term: (value: number) => number): number {
  const parts = [0, 0, 0, 0]
  for (const [i, value] of values.entries()) parts[i & 3] = (parts[i & 3] ?? 0) + term(value)
  const [a = 0, b = 0, c = 0, d = 0] = parts
  return a + b + (c + d)
}
