import { expect, it } from 'vitest'
import { MemoryFileStore } from '../io/memory-store.ts'
import { nestedBlock, nestScales, restoreScales } from '../quantization/nested-scales.ts'
import type { QuantizedTensor } from '../quantization/quantized-tensor.ts'
import { readStored, readTiles, StoredTensorWriter } from './stored-tensor.ts'

async function stored(tensor: QuantizedTensor) {
  const store = new MemoryFileStore()
  const sink = await store.create('a.bin')
  const writer = new StoredTensorWriter(sink, 'a.bin', 2 ** 14)
  await writer.append(tensor)
  await sink.close()
  const [entry] = writer.tensors()
  if (entry === undefined) throw new Error('nothing was stored')
  const tiles: number[] = []
  for await (const { tile } of readTiles(store, entry)) tiles.push(tile.rows)
  return { tiles, whole: await readStored(store, entry) }
}

it('stores a large matrix that comes whole in tiles of a size at most, and reads it back whole', async () => {
  const [rows, columns] = [5, 2 ** 10]
  const values = Float32Array.from({ length: rows * columns }, (_, i) => i % 1009)
  const tensor = { name: 'w', rows, columns, encoding: 'float', values } as const
  const { tiles, whole } = await stored(tensor)
  expect(tiles).toEqual([4, 1])
  expect(
    whole.encoding === 'float' && Buffer.compare(Buffer.from(whole.values.buffer, whole.values.byteOffset), Buffer.from(values.buffer)),
  ).toBe(0)
})

it('keeps the offset of nested scales, and one scale of a matrix, in every tile', async () => {
  const columns = 2 ** 10
  const affine = {
    columns,
    bits: 8,
    isSymmetric: false,
    group: 'tensor',
    scales: Float32Array.of(0.5),
    zeroPoints: Uint8Array.of(7),
  } as const
  const codes = Uint8Array.from({ length: 17 * columns }, (_, i) => i % 251)
  const one = await stored({ name: 'w', rows: 17, columns, encoding: 'affine', affine: { ...affine, rows: 17, codes } })
  expect(one.tiles).toEqual([15, 2])
  expect(one.whole.encoding === 'affine' && [...one.whole.affine.scales, ...one.whole.affine.zeroPoints]).toEqual([0.5, 7])
  const nested = nestScales(Float32Array.from({ length: (40 * columns) / 64 }, (_, i) => 1 + (i % 97) / 97))
  const book = {
    rows: 40,
    columns,
    book: 'nf4',
    blockSize: 64,
    codes: new Uint8Array(20 * columns),
    scales: restoreScales(nested),
  } as const
  const two = await stored({ name: 'w', rows: 40, columns, encoding: 'codebook', codeBook: book, nested })
  expect(two.tiles.length).toBeGreaterThan(1)
  expect(two.whole.encoding === 'codebook' && two.whole.nested?.offset).toBe(nested.offset)
  expect(two.whole.encoding === 'codebook' && two.whole.nested?.absmax.length).toBe(Math.ceil((40 * columns) / 64 / nestedBlock))
})
