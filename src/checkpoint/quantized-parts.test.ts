import { describe, expect, it } from 'vitest'
import { Scratch } from '../io/scratch.ts'
import { inStrips, readLines } from './quantized-parts.ts'

describe('readLines', () => {
  // What lies between two strips is read over in the first case and left out in the second.
  it.each([
    [5, 300, 7, 90],
    [40, 400_000, 1000, 1100],
    [3, 50, 0, 50],
  ])('takes a strip of each of %i lines of %i bytes', async (lines, lineBytes, start, end) => {
    const file = Uint8Array.from({ length: lines * lineBytes }, (_, i) => (i * 31 + Math.floor(i / lineBytes)) % 251)
    const found = await readLines({ lines, lineBytes, start, end }, new Scratch(), async (into, at) =>
      into.set(file.subarray(at, at + into.length)),
    )
    const wanted = Array.from({ length: lines }, (_, line) => [...file.subarray(line * lineBytes + start, line * lineBytes + end)])
    expect([...found]).toEqual(wanted.flat())
  })
})

describe('inStrips', () => {
  it('reads each strip once while rows are asked for in order, and again after a fault', async () => {
    const reads: string[] = []
    let isBroken = false
    const strips = inStrips({ rows: 20, rowBytes: 2, unit: 4, stripBytes: 17 }, async ({ rowStart, rowEnd }) => {
      reads.push(`${rowStart}-${rowEnd}`)
      if (isBroken) throw new RangeError('broken')
      return rowStart
    })
    const rowsOf = async (rowStart: number, rowEnd: number): Promise<string[]> => {
      const found: string[] = []
      for await (const strip of strips({ rowStart, rowEnd })) found.push(`${strip.rowStart}-${strip.rowEnd}`)
      return found
    }
    expect(await rowsOf(0, 3)).toEqual(['0-8'])
    expect(await rowsOf(3, 9)).toEqual(['0-8', '8-16'])
    expect(await rowsOf(9, 20)).toEqual(['8-16', '16-20'])
    expect(reads).toEqual(['0-8', '8-16', '16-20'])
    isBroken = true
    await expect(rowsOf(0, 1)).rejects.toThrow('broken')
    isBroken = false
    expect(await rowsOf(0, 1)).toEqual(['0-8'])
    expect(reads).toEqual(['0-8', '8-16', '16-20', '0-8', '0-8'])
  })
})
