import { roundHalfEven } from '../../core/rounding.ts'
import type { Int8RowsTensor } from '../contract/int8-rows.ts'
import type { MatrixPiece } from '../contract/operations.ts'
import { weightNotFinite } from '../faults.ts'

/** 1 / 127 as bitsandbytes writes it. */
const perLevel = Math.fround(7.874015718698502e-3)

/** The rule is at `Int8RowsTensor`. */
export function quantizeInt8Rows(piece: MatrixPiece): Int8RowsTensor {
  const { data, rows, columns } = piece
  const codes = new Int8Array(rows * columns)
  const scales = new Float32Array(rows)
  for (let row = 0; row < rows; row++) {
    let largest = 0
    for (let i = row * columns; i < (row + 1) * columns; i++) {
      const magnitude = Math.abs(data[i] ?? 0)
      if (!Number.isFinite(magnitude)) throw weightNotFinite(piece)
      if (magnitude > largest) largest = magnitude
    }
    scales[row] = largest
    const factor = Math.fround(127 / largest)
    if (factor === Infinity) continue
    for (let i = row * columns; i < (row + 1) * columns; i++) codes[i] = roundHalfEven(Math.fround((data[i] ?? 0) * factor))
  }
  return { rows, columns, codes, scales }
}

export function dequantizeInt8Rows({ codes, scales, rows, columns }: Int8RowsTensor): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: rows * columns }, (_, i) => {
    const scaled = Math.fround((codes[i] ?? 0) * (scales[Math.floor(i / columns)] ?? 0))
    return scaled * perLevel
  })
}
