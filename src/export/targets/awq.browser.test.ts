import { expect, it } from 'vitest'
import { OpfsFileStore } from '../../io/opfs-store.ts'
import { createReferenceKernels } from '../../kernels/reference/index.ts'
import { madeCheckpoint, madeExportSource } from '../../testing/export-source.ts'
import { tinyLlamaConfig } from '../../testing/tiny-llama.ts'
import { sentencePieceFiles } from '../../testing/tokenizer-files.ts'
import { writeExport } from '../write-export.ts'
import awq from './awq.ts'

const kernels = createReferenceKernels()

it('is written from memory of WASM, and proved, in storage of the browser', async () => {
  const checkpoint = madeCheckpoint({ rawConfig: tinyLlamaConfig(), tokenizerFiles: sentencePieceFiles(), dtype: 'BF16' })
  const source = await madeExportSource(
    checkpoint,
    kernels,
    ({ name }) =>
      name.startsWith('model.layers') ? { encoding: 'affine', bits: 4, group: 32, isSymmetric: false } : { encoding: 'source' },
    'awq-4bit-g128',
  )
  const store = new OpfsFileStore('awq-test')
  const { files } = await writeExport(
    {
      target: awq,
      source,
      kernels,
      createSink: (path) => store.create(path),
      openWritten: async (path) => (await store.open(path)) ?? Promise.reject(new Error(path)),
      removeWritten: (path) => store.delete(path),
    },
    () => undefined,
  )
  expect(files.map(({ path }) => path)).toContain('model.safetensors')
  await store.delete('')
})
