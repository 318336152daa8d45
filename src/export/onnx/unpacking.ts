/** A matrix of `MatMulNBits` as it stands in a file. */
export interface NBitsInFile {
  readonly rows: number
  readonly columns: number
  readonly bits: number
  readonly block: number
  readonly codes: Uint8Array
  readonly scales: Float32Array
  /** Packed codes, floats, or 2^(bits - 1) everywhere. */
  readonly zeros: Uint8Array | Float32Array | null
}

/**
 * What the operator makes of it, [rows, columns] f32: the code is a digit of its byte in base 2^bits, the first column the last
 * digit. Used to prove files, so it shares nothing with the packing code.
 */
export function unpackNBits({ rows, columns, bits, block, codes, scales, zeros }: NBitsInFile): Float32Array<ArrayBuffer> {
  const base = 2 ** bits
  const digit = (bytes: Uint8Array, start: number, index: number): number => {
    const position = index * bits
    return Math.floor((bytes[start + Math.floor(position / 8)] ?? 0) / 2 ** (position % 8)) % base
  }
  const blocks = Math.ceil(columns / block)
  const codeRow = codes.length / rows
  const zeroRow = zeros === null ? 0 : zeros.length / rows
  const values = new Float32Array(rows * columns)
  for (let row = 0; row < rows; row++) {
    for (let index = 0; index < blocks; index++) {
      const scale = scales[row * blocks + index] ?? Number.NaN
      const zero =
        zeros === null
          ? base / 2
          : zeros instanceof Float32Array
            ? (zeros[row * blocks + index] ?? Number.NaN)
            : digit(zeros, row * zeroRow, index)
      for (let column = index * block; column < Math.min(columns, (index + 1) * block); column++) {
        values[row * columns + column] = scale * Math.fround(digit(codes, row * codeRow, column) - zero)
      }
    }
  }
  return values
}

/** Values of `MatMulBnb4`: codes flattened over the matrix, the first in the high half of its byte. */
export function unpackBnb4(
  {
    codes,
    scales,
    block,
    count,
  }: { readonly codes: Uint8Array; readonly scales: Float32Array; readonly block: number; readonly count: number },
  book: Float32Array,
): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: count }, (_, i) => {
    const byte = codes[Math.floor(i / 2)] ?? 0
    const code = i % 2 === 0 ? Math.floor(byte / 16) : byte % 16
    return (book[code] ?? Number.NaN) * (scales[Math.floor(i / block)] ?? Number.NaN)
  })
}
