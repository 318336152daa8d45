import { describe, expect, it } from 'vitest'
import { createReferenceKernels } from '../kernels/reference/index.ts'
import { LineMemory } from '../kernels/transpose/line-memory.ts'
import { joinBytes } from '../quantization/join-arrays.ts'
import type { QuantizedTensor } from '../quantization/quantized-tensor.ts'
import { tilesOf } from '../testing/export-source.ts'
import { packedBytes, readBack } from '../testing/packed-form.ts'
import { awqForm } from './awq/form.ts'
import { gptqForm } from './gptq/form.ts'
import { type MatrixPart, partPieces } from './matrix-parts.ts'
import { storedTiles } from './stored-tiles.ts'

const kernels = createReferenceKernels()
const [rows, columns] = [64, 96]

async function stored(bits: number): Promise<QuantizedTensor<'affine'>> {
  const data = Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(i * 1.7) - 0.3)
  const affine = await kernels.quantizeAffine({ rows, columns, data }, { bits, isSymmetric: false, group: 32 })
  return { name: 'p.weight', rows, columns, encoding: 'affine', affine }
}

const spec = { name: 'p.weight', shape: [rows, columns] }
const encodingOf = (bits: number) => ({ encoding: 'affine', bits, isSymmetric: false, group: 32 }) as const

describe('parts whose lines cross the rows', () => {
  // One line of the codes; a few, the last band short; all of them.
  it.each([1, 1000, 2 ** 20])('are the same in bands of %i bytes', async (bandBytes) => {
    for (const bits of [3, 4]) {
      const tensor = await stored(bits)
      const form = gptqForm(spec, encodingOf(bits), 'gptq')
      if (form === null) throw new Error('not packable')
      expect(await packedBytes(form, tensor, bandBytes)).toEqual(await packedBytes(form, tensor))
    }
    const form = awqForm(spec, encodingOf(4))
    if (form === null) throw new Error('not packable')
    const tensor = await stored(4)
    expect(await packedBytes(form, tensor, bandBytes)).toEqual(await packedBytes(form, tensor))
    expect(await (await readBack(form, tensor))({ rowStart: 0, rowEnd: rows })).toEqual(await kernels.dequantizeAffine(tensor.affine))
  })
})

describe('parts of rows', () => {
  it('wait for their turn where they are little, else the matrix is read again; the bytes are the same', async () => {
    const tensor = await stored(4)
    const codes: MatrixPart = { kind: 'rows', bytesOf: ({ tile }) => affineOf(tile).codes.slice() }
    const zeros: MatrixPart = { kind: 'rows', bytesOf: ({ tile }) => affineOf(tile).zeroPoints.slice() }
    const lines = awqForm(spec, encodingOf(4))?.parts.get('p.qweight')
    if (lines === undefined) throw new Error('not packable')
    const made = async (parts: readonly MatrixPart[], heldBytes: number) => {
      let readings = 0
      const tiles = () => {
        readings++
        return storedTiles({ readTiles: () => tilesOf(tensor) }, { name: 'p.weight', encoding: 'affine', unit: 8 })
      }
      const pieces: Uint8Array<ArrayBuffer>[] = []
      for await (const piece of partPieces(parts, tiles, { lineMemory: new LineMemory(), heldBytes })) pieces.push(piece.slice())
      return { readings, bytes: joinBytes(pieces) }
    }
    // Three zero points a row.
    const zeroBytes = 3 * rows
    for (const [parts, most] of [
      [[codes, zeros], 2],
      [[lines, zeros, codes], 3],
      [[zeros, { kind: 'fixed', bytes: () => Uint8Array.of(7) }, codes], 2],
    ] as const) {
      const [held, some, none] = [await made(parts, 2 ** 20), await made(parts, zeroBytes), await made(parts, 0)]
      expect([held.readings, none.readings]).toEqual([1, most])
      expect(some.readings).toBe(parts[0] === zeros ? 2 : most - 1)
      for (const { bytes } of [some, none]) expect(bytes).toEqual(held.bytes)
    }
  })
})

function affineOf(tile: QuantizedTensor) {
  if (tile.encoding !== 'affine') throw new TypeError('affine was asked for')
  return tile.affine
}
