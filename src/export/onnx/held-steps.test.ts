import { describe, expect, it } from 'vitest'
import { createReferenceKernels } from '../../kernels/reference/index.ts'
import { joinBytes } from '../../quantization/join-arrays.ts'
import type { QuantizedTensor } from '../../quantization/quantized-tensor.ts'
import { madeCheckpoint, madeExportSource, tilesOf } from '../../testing/export-source.ts'
import { tinyLlamaConfig } from '../../testing/tiny-llama.ts'
import { sentencePieceFiles } from '../../testing/tokenizer-files.ts'
import { nbitsGroup } from './code-groups.ts'

const kernels = createReferenceKernels()
const shape = { rows: 24, columns: 256 }
const encoding = { encoding: 'affine', bits: 4, isSymmetric: false, group: 32 } as const
/** 24 rows of 8 scales in f32, and 4 bytes of zero points. */
const stepBytes = 24 * (8 * 4 + 4)

async function written(heldBytes: number) {
  const data = Float32Array.from({ length: 24 * 256 }, (_, i) => Math.sin(i * 1.7))
  const tensor: QuantizedTensor = {
    name: 'w',
    ...shape,
    encoding: 'affine',
    affine: await kernels.quantizeAffine({ ...shape, data }, encoding),
  }
  const checkpoint = madeCheckpoint({ rawConfig: tinyLlamaConfig(), tokenizerFiles: sentencePieceFiles() })
  const made = await madeExportSource(checkpoint, kernels, () => ({ encoding: 'source' }))
  let readings = 0
  const readTiles = () => {
    readings++
    return tilesOf(tensor)
  }
  const setting = { bits: 4, block: 32, zero: 'codes' } as const
  const group = nbitsGroup({ name: 'w', ...shape, form: 'nbits', setting }, 'float', 'blocks', heldBytes)
  const parts = new Map(group.tensors.map(({ name }) => [name, new Uint8Array()]))
  for await (const { tensor: part, bytes } of group.write({ ...made, encodings: new Map([['w', encoding]]), readTiles })) {
    parts.set(part.name, joinBytes([parts.get(part.name) ?? new Uint8Array(), bytes]))
  }
  return { parts, readings }
}

describe('scales and zero points', () => {
  it('wait in memory where they are few, else storage is read again for each; the bytes are the same', async () => {
    const [held, read] = [await written(stepBytes), await written(stepBytes - 1)]
    expect([held.readings, read.readings]).toEqual([1, 3])
    expect(held.parts).toEqual(read.parts)
    expect([...held.parts.values()].map(({ length }) => length)).toEqual([24 * 128, 24 * 32, 24 * 4])
  })
})
