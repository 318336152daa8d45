import { expect, it } from 'vitest'
import { isShared, sharedBytes } from '../core/shared-memory.ts'
import { MemoryFileStore } from '../io/memory-store.ts'
import { sampleMatrix } from '../kernels/conformance/inputs.ts'
import { createReferenceKernels } from '../kernels/reference/index.ts'
import { joinBytes } from '../quantization/join-arrays.ts'
import { nestedBlock, nestScales, restoreScales } from '../quantization/nested-scales.ts'
import type { QuantizedTensor } from '../quantization/quantized-tensor.ts'
import { encodings } from '../quantization/registry.ts'
import { appending, readStored, readTiles, StoredTensorWriter } from './stored-tensor.ts'

const matrix = sampleMatrix('normal', 6, 64)
const place = { name: 'w', rows: 6, columns: 64 } as const

it('tensors in shared memory reach a file in memory of its own, byte for byte', async () => {
  const kernels = createReferenceKernels()
  const written: Uint8Array<ArrayBuffer>[] = []
  const sink = {
    async write(bytes: Uint8Array<ArrayBuffer>) {
      expect(isShared(bytes)).toBe(false)
      written.push(bytes.slice())
    },
    close: () => Promise.resolve(),
    abort: () => Promise.resolve(),
  }
  const writer = new StoredTensorWriter(appending(sink), 'file')
  const shared = kernels.into({ take: sharedBytes })
  const affine = await shared.quantizeAffine(matrix, { bits: 3, isSymmetric: false, group: 32 })
  const blocks = await shared.quantizeGgml(matrix, 'Q8_0')
  expect([affine.codes, blocks].every(isShared)).toBe(true)
  await writer.append({ ...place, encoding: 'affine', affine })
  await writer.append({ ...place, name: 'v', encoding: 'ggml', type: 'Q8_0', blocks })
  const expected = joinBytes(encodings.get('affine').parts({ ...place, encoding: 'affine', affine }))
  expect(written).toEqual([expected, blocks.slice()])
  expect(writer.tensors().map(({ tiles }) => tiles.map(({ offset, sizeBytes }) => [offset, sizeBytes]))).toEqual([
    [[0, expected.length]],
    [[expected.length, 408]],
  ])
})

it('one array in memory of its own is written where it lies', async () => {
  const blocks = await createReferenceKernels().quantizeGgml(matrix, 'Q8_0')
  const written: Uint8Array[] = []
  const sink = {
    write: async (bytes: Uint8Array) => void written.push(bytes),
    close: () => Promise.resolve(),
    abort: () => Promise.resolve(),
  }
  await new StoredTensorWriter(appending(sink), 'file').append({ ...place, encoding: 'ggml', type: 'Q8_0', blocks })
  expect(written[0]).toBe(blocks)
})

async function stored(tensor: QuantizedTensor) {
  const store = new MemoryFileStore()
  const sink = await store.create('a.bin')
  const writer = new StoredTensorWriter(appending(sink), 'a.bin', 2 ** 14)
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
