import { expect, it } from 'vitest'
import { linesToRows } from './lines-to-rows.ts'

it.each([
  { rows: 8, columns: 12, first: 4, lineBytes: 16 },
  { rows: 68, columns: 4, first: 0, lineBytes: 68 },
  { rows: 7, columns: 9, first: 2, lineBytes: 11 },
])('takes $rows rows from byte $first of $columns lines of $lineBytes bytes', ({ rows, columns, first, lineBytes }) => {
  const lines = Uint8Array.from({ length: columns * lineBytes }, (_, i) => (i * 37) % 256)
  const into = new Int8Array(rows * columns)
  linesToRows(lines, { lineBytes, first, columns }, into)
  const wanted = Int8Array.from(into, (_, at) => lines[(at % columns) * lineBytes + first + Math.floor(at / columns)] ?? 0)
  expect(into).toEqual(wanted)
})
