import { describe, expect, it } from 'vitest'
import { defaultExportOptions } from '../../export/options.ts'
import type { ExportSource } from '../../export/target.ts'
import gguf from '../../export/targets/gguf.ts'
import type { ByteSource } from '../../io/byte-source.ts'
import { memorySource } from '../../io/memory-source.ts'
import { createReferenceKernels } from '../../kernels/reference/index.ts'
import type { TensorSpec } from '../../models/model-graph.ts'
import type { TensorEncoding } from '../../quantization/quantized-tensor.ts'
import { createTokenizer } from '../../runtime/engines/tokenizer.ts'
import { type MadeCheckpointOptions, madeCheckpoint, madeExportSource, wholeOf } from '../../testing/export-source.ts'
import { tinyLlamaConfig } from '../../testing/tiny-llama.ts'
import { byteLevelFiles, sentencePieceFiles } from '../../testing/tokenizer-files.ts'
import { openCheckpoint } from '../open.ts'

const kernels = createReferenceKernels()
const inBlocks = ({ name }: TensorSpec): TensorEncoding =>
  name.startsWith('model.layers') ? { encoding: 'ggml', type: 'Q5_0' } : { encoding: 'source' }

async function made(options: Partial<MadeCheckpointOptions> = {}, maxFileBytes: number | null = null): Promise<ExportSource> {
  const checkpoint = madeCheckpoint({ rawConfig: tinyLlamaConfig(), tokenizerFiles: sentencePieceFiles(), name: 'Tiny', ...options })
  const source = await madeExportSource(checkpoint, kernels, inBlocks, 'Q5_0')
  return { ...source, options: { ...defaultExportOptions, maxFileBytes } }
}

async function filesOf(source: ExportSource): Promise<Map<string, ByteSource>> {
  const files = new Map<string, ByteSource>()
  for (const file of gguf.layout(source)) {
    const pieces: Uint8Array<ArrayBuffer>[] = []
    for await (const piece of file.write(source)) pieces.push(piece.slice())
    files.set(file.path, memorySource(file.path, new Uint8Array(await new Blob(pieces).arrayBuffer())))
  }
  return files
}

const open = (files: ReadonlyMap<string, ByteSource>) => openCheckpoint({ name: 'packed', originKind: 'files', files })

describe('a GGUF file as a model', () => {
  it.each([
    ['whole', null],
    ['in parts', 20_000],
  ])('gives back settings, and the values of its blocks in the order of the checkpoint, %s', async (_, maxFileBytes) => {
    const source = await made({}, maxFileBytes)
    const files = await filesOf(source)
    expect(files.size > 1).toBe(maxFileBytes !== null)
    const opened = await open(files)
    expect(opened.graph.config).toEqual(source.checkpoint.graph.config)
    for (const [name, { encoding }] of source.encodings) {
      if (encoding === 'source') continue
      const stored = await wholeOf(source, name)
      if (stored.encoding !== 'ggml') throw new Error(name)
      const values = await kernels.dequantizeGgml(stored.blocks, stored, stored.type)
      expect(await opened.readFloat(name), name).toEqual(values)
      // A piece that begins and ends inside heads.
      const range = { rowStart: 3, rowEnd: 13 }
      const into = new Float32Array(10 * stored.columns)
      await opened.readRawInto(new Uint8Array(into.buffer), name, range)
      expect(into, name).toEqual(values.slice(3 * stored.columns, 13 * stored.columns))
      expect(await opened.readFloat(name, range), name).toEqual(values.slice(3 * stored.columns, 13 * stored.columns))
    }
    expect(opened.notes.join(' ')).toContain('Q5_0')
  })

  it('reads text as the tokenizer it was made with', async () => {
    const text = 'once upon a time, a  day <s> of 123 years\n'
    for (const tokenizerFiles of [sentencePieceFiles(), byteLevelFiles()]) {
      const source = await made({ tokenizerFiles })
      const opened = await open(await filesOf(source))
      const [own, found] = [createTokenizer(tokenizerFiles), createTokenizer(opened.tokenizerFiles)]
      expect(found.encode(text)).toEqual(own.encode(text))
      expect(found.bosTokenId).toBe(own.bosTokenId)
    }
  })

  it('finds the scaling of Llama 3 in its divisors', async () => {
    const rope_scaling = {
      rope_type: 'llama3',
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 8192,
    }
    const source = await made({ rawConfig: { ...tinyLlamaConfig(), rope_theta: 500_000, rope_scaling } })
    const opened = await open(await filesOf(source))
    expect(opened.graph.config.ropeScaling).toEqual(source.checkpoint.graph.config.ropeScaling)
  })

  it('refuses parts that are not all there, and files of two models', async () => {
    const files = await filesOf(await made({}, 20_000))
    const [first] = files.keys()
    await expect(open(new Map([...files].slice(1)))).rejects.toMatchObject({ code: 'file-missing' })
    await expect(open(new Map([...files].slice(0, 2)))).rejects.toMatchObject({ code: 'file-missing' })
    const file = files.get(first ?? '')
    if (file === undefined) throw new Error('no file')
    await expect(open(new Map([...files, ['other.gguf', file]]))).rejects.toMatchObject({ code: 'usage' })
  })
})
