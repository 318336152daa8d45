/** [rows, width] to [width, rows]. */
export function transposed(values: Float32Array, width: number): Float32Array<ArrayBuffer> {
  const rows = values.length / width
  const result = new Float32Array(values.length)
  for (let row = 0; row < rows; row++) for (let i = 0; i < width; i++) result[i * rows + row] = values[row * width + i] ?? 0
  return result
}
