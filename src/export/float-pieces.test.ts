import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { asMatrix, inPieces, maxPieceBytes, rowPieces } from './float-pieces.ts'

describe('pieces', () => {
  it('cover all rows in order, in whole units, below the limit unless one unit is larger', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 500 }),
        fc.integer({ min: 1, max: 20_000 }),
        fc.integer({ min: 1, max: 128 }),
        (count, columns, unit) => {
          const rows = count * unit
          const pieces = rowPieces(rows, columns, unit)
          expect(pieces[0]?.rowStart).toBe(0)
          expect(pieces.at(-1)?.rowEnd).toBe(rows)
          for (const [index, { rowStart, rowEnd }] of pieces.entries()) {
            expect(rowStart).toBe(index === 0 ? 0 : pieces[index - 1]?.rowEnd)
            expect(rowEnd).toBeGreaterThan(rowStart)
            expect(rowStart % unit).toBe(0)
            if (rowEnd - rowStart > unit) expect((rowEnd - rowStart) * columns * 4).toBeLessThanOrEqual(maxPieceBytes)
          }
        },
      ),
      { numRuns: 40 },
    )
  })

  it('cut a large buffer at 64 MiB without losing a byte', () => {
    const sizes = [...inPieces(new Uint8Array(maxPieceBytes * 2 + 3))].map((piece) => piece.length)
    expect(sizes).toEqual([maxPieceBytes, maxPieceBytes, 3])
  })

  it('see a vector as one row', () => {
    expect(asMatrix([7])).toEqual({ rows: 1, columns: 7 })
    expect(asMatrix([3, 7])).toEqual({ rows: 3, columns: 7 })
  })
})
