import { expect, test } from 'vitest'
import { isShared, sharedBytes } from '../core/shared-memory.ts'
import { sampleMatrix } from '../kernels/conformance/inputs.ts'
import { createReferenceKernels } from '../kernels/reference/index.ts'
import { joinBytes } from '../quantization/join-arrays.ts'
import { encodings } from '../quantization/registry.ts'
import { StoredTensorWriter } from './stored-tensor.ts'

const matrix = sampleMatrix('normal', 6, 64)
const place = { name: 'w', rows: 6, columns: 64 } as const

test('tensors in shared memory reach a file in memory of its own, byte for byte', async () => {
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
  const writer = new StoredTensorWriter(sink, 'file')
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

test('one array in memory of its own is written where it lies', async () => {
  const blocks = await createReferenceKernels().quantizeGgml(matrix, 'Q8_0')
  const written: Uint8Array[] = []
  const sink = {
    write: async (bytes: Uint8Array) => void written.push(bytes),
    close: () => Promise.resolve(),
    abort: () => Promise.resolve(),
  }
  await new StoredTensorWriter(sink, 'file').append({ ...place, encoding: 'ggml', type: 'Q8_0', blocks })
  expect(written[0]).toBe(blocks)
})
