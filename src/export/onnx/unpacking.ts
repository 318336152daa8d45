/** A matrix of `MatMulNBits` as it stands in a file. */
export interface NBitsInFile {
  readonly rows: number
  readonly columns: number
  readonly bits: number
  readonly block: number
  readonly codes: Uint8Array<ArrayBuffer>
  readonly scales: Float32Array<ArrayBuffer>
  /** Packed codes, floats, or 2^(bits - 1) everywhere. */
  readonly zeros: Uint8Array | Float32Array | null
}

/**
 * What the operator makes of it, [rows, columns] f32: the code is a digit of its byte in base 2^bits, the first column the last
 * digit. Used to prove files, so it shares nothing with the packing code.
 */
export function unpackNBits({ rows, columns, bits, block, codes, scales, zeros }: NBitsInFile): Float32Array<ArrayBuffer> {
  const base = 2 ** bits
  const perByte = 8 / bits
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
            : Math.floor((zeros[row * zeroRow + Math.floor(index / perByte)] ?? 0) / base ** (index % perByte)) % base
      const end = Math.min(columns, (index + 1) * block)
      // A block begins with a byte.
      for (let column = index * block, at = row * codeRow + column / perByte; column < end; at++) {
        let digits = codes[at] ?? 0
        for (let digit = 0; digit < perByte && column < end; digit++, column++, digits >>>= bits) {
          values[row * columns + column] = scale * Math.fround((digits & (base - 1)) - zero)
        }
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
  const values = new Float32Array(count)
  for (let i = 0; i < count; i++) {
    const byte = codes[i >>> 1] ?? 0
    values[i] = (book[i % 2 === 0 ? byte >>> 4 : byte & 15] ?? Number.NaN) * (scales[Math.floor(i / block)] ?? Number.NaN)
  }
  return values
}
