import { describe, expect, it } from 'vitest'
import { memorySource } from '../../io/memory-source.ts'
import { createReferenceKernels } from '../../kernels/reference/index.ts'
import type { RawConfig } from '../../models/family.ts'
import type { TensorEncoding } from '../../quantization/quantized-tensor.ts'
import { madeCheckpoint, madeExportSource, wholeOf } from '../../testing/export-source.ts'
import { tinyLlamaConfig } from '../../testing/tiny-llama.ts'
import { byteLevelFiles, sentencePieceFiles } from '../../testing/tokenizer-files.ts'
import { int8Values } from '../int8-values.ts'
import { readLlama2c, rowReader } from '../llama2c/read.ts'
import type { ExportedFile, ExportSource } from '../target.ts'
import llama2c from './llama2c.ts'

const kernels = createReferenceKernels()
const perRow: TensorEncoding = { encoding: 'affine', bits: 8, group: 'row', isSymmetric: true }

function source(config: RawConfig = {}, encoding: TensorEncoding = perRow, tokenizerFiles = sentencePieceFiles()): Promise<ExportSource> {
  return madeExportSource(madeCheckpoint({ rawConfig: tinyLlamaConfig(config), tokenizerFiles }), kernels, () => encoding)
}

async function bytesOf(file: ExportedFile | undefined, from: ExportSource): Promise<Uint8Array<ArrayBuffer>> {
  const pieces: Uint8Array<ArrayBuffer>[] = []
  for await (const piece of file?.write(from) ?? []) pieces.push(piece.slice())
  return new Uint8Array(await new Blob(pieces).arrayBuffer())
}

describe('llama2c', () => {
  it.each<[string, RawConfig, TensorEncoding, number]>([
    ['codes by rows', {}, perRow, 32],
    ['Q8_0 blocks, own head', { tie_word_embeddings: false }, { encoding: 'ggml', type: 'Q8_0' }, 32],
    ['4 bits asymmetric, rows of 172', { intermediate_size: 172 }, { encoding: 'affine', bits: 4, group: 'row', isSymmetric: false }, 4],
    ['one scale a matrix', { intermediate_size: 128 }, { encoding: 'affine', bits: 8, group: 'tensor', isSymmetric: true }, 64],
    ['groups of 16', { intermediate_size: 128 }, { encoding: 'affine', bits: 3, group: 16, isSymmetric: true }, 16],
  ])('writes %s, which its reader gives back', async (_name, config, encoding, group) => {
    const from = await source(config, encoding)
    expect(llama2c.supports(from)).toBe(true)
    const files = llama2c.layout(from)
    expect(files.map(({ path }) => path)).toEqual(['model.bin', 'tokenizer.bin'])
    for (const file of files) {
      const bytes = await bytesOf(file, from)
      expect(bytes).toHaveLength(file.sizeBytes)
      await file.verify?.(from, memorySource(file.path, bytes), { kernels })
    }
    const bytes = await bytesOf(files[0], from)
    const read = await readLlama2c(memorySource('model.bin', bytes))
    expect(read).toMatchObject({ dim: 64, heads: 4, kvHeads: 2, layers: 2, vocabSize: 320, seqLen: 128, groupSize: group })
    expect(read.isShared).toBe(config['tie_word_embeddings'] !== false)
  })

  it('has neighbours where Hugging Face has pairs half a head apart', async () => {
    const from = await source({ num_hidden_layers: 1 })
    const memory = memorySource('model.bin', await bytesOf(llama2c.layout(from)[0], from))
    const file = await readLlama2c(memory)
    const place = file.matrices[1]
    if (place === undefined) throw new TypeError('no query matrix')
    const { codes, scales } = await rowReader(memory, place, file.groupSize)({ rowStart: 0, rowEnd: place.rows })
    const query = int8Values({ codes: Int8Array.from(codes), scales: new Float32Array(scales.slice().buffer), run: file.groupSize })
    const stored = await wholeOf(from, 'model.layers.0.self_attn.q_proj.weight')
    if (stored.encoding !== 'affine') throw new TypeError('affine was asked for')
    const wanted = await kernels.dequantizeAffine(stored.affine)
    // Heads of 16: row 1 of the file is row 8, row 18 is row 17.
    expect(query.slice(64, 128)).toEqual(wanted.slice(8 * 64, 9 * 64))
    expect(query.slice(18 * 64, 19 * 64)).toEqual(wanted.slice(17 * 64, 18 * 64))
  })

  it('finds one wrong byte anywhere', async () => {
    const from = await source({ num_hidden_layers: 1 })
    for (const file of llama2c.layout(from)) {
      const bytes = await bytesOf(file, from)
      const step = file.path === 'model.bin' ? 997 : 41
      const places = [0, 5, 9, 36, 37, 60, ...Array.from({ length: Math.floor(bytes.length / step) }, (_, index) => index * step)]
      for (const at of places) {
        const broken = bytes.slice()
        // Every bit, so that a 0 becomes no -0.
        broken[at] = 255 - (broken[at] ?? 0)
        const attempt = file.verify?.(from, memorySource(file.path, broken), { kernels }) ?? Promise.resolve()
        await expect(attempt, `${file.path} ${at}`).rejects.toMatchObject({ code: 'proof-failed' })
      }
      const short = memorySource(file.path, bytes.slice(0, 100))
      await expect(file.verify?.(from, short, { kernels })).rejects.toMatchObject({ code: 'proof-failed' })
    }
  })

  it.each<[RawConfig, TensorEncoding, RegExp]>([
    [{ rope_theta: 100_000 }, perRow, /rotary base 10000 built in/],
    [{ head_dim: 32 }, perRow, /takes heads of hidden \/ heads; this model has heads of 32/],
    [{ attention_bias: true }, perRow, /no biases/],
    [{ intermediate_size: 98 }, perRow, /one group size of 4 to 64 that divides all rows/],
    [{}, { encoding: 'source' }, /model\.embed_tokens\.weight stays float\. Put embedding and head on the grid too/],
    [{}, { encoding: 'affine', bits: 8, group: 32, isSymmetric: false }, /affine codes of 8 bits in groups of 32\. Take Q8_0 or/],
    [{}, { encoding: 'ggml', type: 'Q4_0' }, /Q4_0 blocks of 32\. Take Q8_0 or/],
  ])('refuses %o in %o', async (config, encoding, message) => {
    expect(llama2c.supports(await source(config, encoding))).toMatch(message)
  })

  it('refuses a tokenizer that its runner would read differently', async () => {
    expect(llama2c.supports(await source({ vocab_size: 288 }, perRow, byteLevelFiles()))).toMatch(/byte-level BPE/)
  })

  it('says what the runner does otherwise', async () => {
    const notes = llama2c.notes(await source({ rms_norm_eps: 1e-6 })).join('\n')
    expect(notes).toMatch(/groups of 32 weights.*take 1\.0 bits/)
    expect(notes).toMatch(/rounds the inputs of every linear/)
    expect(notes).toMatch(/adds 1e-5 inside its norms, and this model 0\.000001/)
    expect(llama2c.notes(await source())).toHaveLength(2)
    expect(llama2c.notes(await source({}, { encoding: 'source' }))).toEqual([])
  })
})
