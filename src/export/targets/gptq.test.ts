import { describe, expect, it } from 'vitest'
import { readSafetensorsHeader } from '../../formats/safetensors/header.ts'
import { memorySource } from '../../io/memory-source.ts'
import { createReferenceKernels } from '../../kernels/reference/index.ts'
import type { RawConfig } from '../../models/family.ts'
import type { TensorSpec } from '../../models/model-graph.ts'
import type { TensorEncoding } from '../../quantization/quantized-tensor.ts'
import { type MadeCheckpointOptions, madeCheckpoint, madeExportSource } from '../../testing/export-source.ts'
import { tinyLlamaConfig } from '../../testing/tiny-llama.ts'
import { byteLevelFiles, sentencePieceFiles } from '../../testing/tokenizer-files.ts'
import type { ExportedFile, ExportSource } from '../target.ts'
import gptq from './gptq.ts'

const kernels = createReferenceKernels()

const affine =
  (bits: number, group: number | 'row' | 'tensor', isSymmetric: boolean) =>
  ({ name }: TensorSpec): TensorEncoding =>
    name.startsWith('model.layers') ? { encoding: 'affine', bits, group, isSymmetric } : { encoding: 'source' }

function made(config: RawConfig, encodingOf: (spec: TensorSpec) => TensorEncoding, options: Partial<MadeCheckpointOptions> = {}) {
  const checkpoint = madeCheckpoint({ rawConfig: config, tokenizerFiles: sentencePieceFiles(), dtype: 'BF16', ...options })
  return madeExportSource(checkpoint, kernels, encodingOf, 'nearest-4bit-g32')
}

async function bytesOf(file: ExportedFile, source: ExportSource): Promise<Uint8Array<ArrayBuffer>> {
  const pieces: Uint8Array<ArrayBuffer>[] = []
  for await (const piece of file.write(source)) pieces.push(piece.slice())
  return new Uint8Array(await new Blob(pieces).arrayBuffer())
}

const named = (files: readonly ExportedFile[], path: string): ExportedFile => {
  const file = files.find((each) => each.path === path)
  if (file === undefined) throw new Error(`no ${path}`)
  return file
}

async function jsonOf(source: ExportSource, path: string): Promise<Record<string, unknown>> {
  const bytes = await bytesOf(named(gptq.layout(source), path), source)
  return JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>
}

async function headerOf(source: ExportSource) {
  const file = named(gptq.layout(source), 'model.safetensors')
  return readSafetensorsHeader(memorySource(file.path, await bytesOf(file, source)))
}

describe('GPTQ export', () => {
  it('has exactly the planned sizes, and proves itself at every setting', async () => {
    for (const bits of [2, 3, 4, 8]) {
      for (const group of [16, 48, 'row', 'tensor'] as const) {
        const source = await made(tinyLlamaConfig(), affine(bits, group, bits % 2 === 0))
        for (const file of gptq.layout(source)) {
          const bytes = await bytesOf(file, source)
          expect(bytes.length, file.path).toBe(file.sizeBytes)
          await file.verify?.(source, memorySource(file.path, bytes), { kernels })
        }
      }
    }
  })

  it('packs each linear into four tensors and leaves the rest under their names and types', async () => {
    const { tensors, metadata } = await headerOf(await made(tinyLlamaConfig({ attention_bias: true }), affine(4, 32, true)))
    const shapes = Object.fromEntries([...tensors].map(([name, { dtype, shape }]) => [name, `${dtype} ${shape.join('x')}`]))
    expect(shapes).toMatchObject({
      'model.layers.0.self_attn.k_proj.qweight': 'I32 8x32',
      'model.layers.0.self_attn.k_proj.qzeros': 'I32 2x4',
      'model.layers.0.self_attn.k_proj.scales': 'F16 2x32',
      'model.layers.0.self_attn.k_proj.g_idx': 'I32 64',
      'model.layers.0.self_attn.k_proj.bias': 'BF16 32',
      'model.layers.1.mlp.down_proj.qweight': 'I32 12x64',
      'model.layers.0.input_layernorm.weight': 'BF16 64',
      'model.embed_tokens.weight': 'BF16 320x64',
      'model.norm.weight': 'BF16 64',
    })
    expect(shapes).not.toHaveProperty('model.layers.0.self_attn.k_proj.weight')
    expect(metadata).toEqual({ format: 'pt' })
  })

  it('says in the config how to read it', async () => {
    const source = await made(tinyLlamaConfig(), affine(4, 32, true))
    const config = await jsonOf(source, 'config.json')
    expect(config).toMatchObject({ model_type: 'llama', hidden_size: 64, torch_dtype: 'float16' })
    expect(config['quantization_config']).toMatchObject({
      quant_method: 'gptq',
      bits: 4,
      group_size: 32,
      sym: true,
      desc_act: false,
      checkpoint_format: 'gptq',
      lm_head: false,
    })
    expect(config['quantization_config']).not.toHaveProperty('dynamic')
    expect(await jsonOf(source, 'quantize_config.json')).toEqual(config['quantization_config'])
  })

  it('copies the tokenizer, and a template that was in a file of its own', async () => {
    const tokenizerFiles = byteLevelFiles()
    const source = await made(tinyLlamaConfig(), affine(4, 32, true), { tokenizerFiles })
    expect(await jsonOf(source, 'tokenizer.json')).toEqual(tokenizerFiles.tokenizerJson)
    expect(gptq.layout(source).map((file) => file.path)).toEqual([
      'model.safetensors',
      'quantize_config.json',
      'config.json',
      'tokenizer.json',
      'tokenizer_config.json',
      'special_tokens_map.json',
      'chat_template.jinja',
    ])
  })

  it('writes linears of other sizes as plain F32 with their quantized values, and says so', async () => {
    const source = await made(tinyLlamaConfig({ intermediate_size: 100, num_hidden_layers: 1 }), affine(4, 32, true))
    expect(gptq.notes(source)).toEqual([
      '3 linears are written as plain F32 weights with their quantized values: the layout packs multiples of 32, and 100 is not.',
    ])
    const { tensors } = await headerOf(source)
    expect(tensors.get('model.layers.0.mlp.down_proj.weight')).toMatchObject({ dtype: 'F32', shape: [64, 100] })
    const quantization = (await jsonOf(source, 'config.json'))['quantization_config'] as Record<string, unknown>
    expect(quantization['dynamic']).toEqual({
      [String.raw`-:^model\.layers\.0\.mlp\.gate_proj$`]: {},
      [String.raw`-:^model\.layers\.0\.mlp\.up_proj$`]: {},
      [String.raw`-:^model\.layers\.0\.mlp\.down_proj$`]: {},
    })
    expect(quantization['modules_to_not_convert']).toContain('model.layers.0.mlp.up_proj')
    expect(quantization['modules_in_block_to_quantize']).toEqual([
      ['self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj', 'self_attn.o_proj'],
    ])
  })

  it('lists linears with another setting, and packs a head of its own', async () => {
    const encodingOf = (spec: TensorSpec): TensorEncoding => {
      if (spec.name === 'lm_head.weight') return { encoding: 'affine', bits: 8, group: 'row', isSymmetric: true }
      return spec.name.includes('o_proj') ? { encoding: 'source' } : affine(4, 32, true)(spec)
    }
    const source = await made(tinyLlamaConfig({ tie_word_embeddings: false, num_hidden_layers: 1 }), encodingOf)
    const quantization = (await jsonOf(source, 'config.json'))['quantization_config'] as Record<string, unknown>
    expect(quantization).toMatchObject({ bits: 4, group_size: 32, lm_head: true })
    expect(quantization['dynamic']).toEqual({
      [String.raw`-:^model\.layers\.0\.self_attn\.o_proj$`]: {},
      '+:^lm_head$': { bits: 8, group_size: -1, sym: true },
    })
    expect(gptq.notes(source).join(' ')).toMatch(/head is packed too.*Settings differ between linears/)
    expect((await headerOf(source)).tensors.has('lm_head.qweight')).toBe(true)
  })

  it('splits into shards with an index when the file would pass the limit', async () => {
    const source = await made(tinyLlamaConfig(), affine(4, 32, false))
    const files = gptq.layout({ ...source, options: { maxFileBytes: 30_000, device: null } })
    const shards = files.filter((file) => file.path.endsWith('.safetensors'))
    expect(shards.length).toBeGreaterThan(2)
    expect(shards.at(-1)?.path).toBe(`model-0000${shards.length}-of-0000${shards.length}.safetensors`)
    const found = new Map<string, string>()
    for (const file of files) {
      const bytes = await bytesOf(file, source)
      expect(bytes.length).toBe(file.sizeBytes)
      if (!file.path.endsWith('.safetensors')) continue
      await file.verify?.(source, memorySource(file.path, bytes), { kernels })
      const header = await readSafetensorsHeader(memorySource(file.path, bytes))
      for (const name of header.tensors.keys()) found.set(name, file.path)
    }
    const index = JSON.parse(new TextDecoder().decode(await bytesOf(named(files, 'model.safetensors.index.json'), source))) as unknown
    expect(index).toMatchObject({ weight_map: Object.fromEntries(found) })
    expect([...found.keys()].sort()).toEqual([...(await headerOf(source)).tensors.keys()].sort())
  })
})

describe('GPTQ refusals and notes', () => {
  it.each([5, 6, 7])('refuses %i bits', async (bits) => {
    expect(gptq.supports(await made(tinyLlamaConfig(), affine(bits, 32, true)))).toMatch(
      new RegExp(`2, 3, 4 and 8 bits; model.* has ${bits}`),
    )
  })

  it('refuses ggml blocks, a quantized embedding, and nothing quantized', async () => {
    const blocks = await made(tinyLlamaConfig(), () => ({ encoding: 'ggml', type: 'Q4_0' }))
    expect(gptq.supports(blocks)).toMatch(/is in Q4_0 blocks of 32/)
    const all = (): TensorEncoding => ({ encoding: 'affine', bits: 4, group: 32, isSymmetric: true })
    expect(gptq.supports(await made(tinyLlamaConfig(), all))).toMatch(/no packed embedding, and this model uses its embedding as head/)
    const untied = tinyLlamaConfig({ tie_word_embeddings: false })
    expect(gptq.supports(await made(untied, all))).toMatch(/no packed embedding\. Leave the embedding in float/)
    const nothing = await made(tinyLlamaConfig(), () => ({ encoding: 'source' }))
    expect(gptq.supports(nothing)).toMatch(/Nothing is quantized/)
    const named = new Map([['model.layers.0.mlp.up_proj.weight', { encoding: 'source' as const }]])
    expect(gptq.supports({ ...nothing, encodings: named })).toMatch(/Nothing is quantized/)
  })

  it.each([
    [
      { encoding: 'real-affine', levels: 16, isSymmetric: false, group: 64 },
      /is in affine codes of 16 values in groups of 64 with fractional/,
    ],
    [{ encoding: 'real-affine', levels: 2, isSymmetric: true, group: 64 }, /is in affine codes of 2 values in groups of 64\./],
    [{ encoding: 'k-means', bits: 3, group: 128 }, /is in codes of 3 bits into a table of values for each group of 128\./],
  ] as const)('refuses %o, whose zero points or values are no integers', async (encoding, message) => {
    const refusal = gptq.supports(await made(tinyLlamaConfig(), () => encoding))
    expect(refusal).toMatch(message)
    expect(refusal).toMatch(/nearest-4bit-g32/)
  })

  it.each<[TensorEncoding, RegExp]>([
    [{ encoding: 'codebook', book: 'fp4', blockSize: 128, isNested: false }, /FP4 values in blocks of 128\. .* such as nearest-4bit-g32/],
    [{ encoding: 'int8-rows' }, /int8 codes with one scale a row/],
  ])('refuses %o', async (encoding, message) => {
    expect(gptq.supports(await made(tinyLlamaConfig(), () => encoding))).toMatch(message)
  })

  it('refuses a model in which nothing can be packed', async () => {
    const odd = tinyLlamaConfig({ hidden_size: 40, num_attention_heads: 2, num_key_value_heads: 1, intermediate_size: 100 })
    expect(gptq.supports(await made(odd, affine(4, 32, true)))).toMatch(/no quantized tensor of this model has such sizes/)
  })

  it('says what some readers cannot do', async () => {
    const notes = gptq.notes(await made(tinyLlamaConfig(), affine(3, 16, false))).join('\n')
    expect(notes).toMatch(/zero point of 0 wraps/)
    expect(notes).toMatch(/Groups of 16 are read by the plain kernels only/)
    expect(notes).toMatch(/2 and 3 bits/)
    expect(gptq.notes(await made(tinyLlamaConfig(), affine(4, 'row', true)))).toEqual([])
  })

  it('stops when storage holds another encoding than the recipe says', async () => {
    const source = await made(tinyLlamaConfig(), affine(4, 32, true))
    const blocks = await made(tinyLlamaConfig(), () => ({ encoding: 'ggml', type: 'Q8_0' }))
    const file = named(gptq.layout(source), 'model.safetensors')
    const attempt = bytesOf(file, { ...source, readTiles: (name) => blocks.readTiles(name) })
    await expect(attempt).rejects.toMatchObject({ code: 'storage-fault' })
  })
})

describe('GPTQ proof', () => {
  it('finds one wrong byte in any tensor and in the header', async () => {
    const source = await made(tinyLlamaConfig({ intermediate_size: 100, num_hidden_layers: 1, attention_bias: true }), affine(4, 32, false))
    const file = named(gptq.layout(source), 'model.safetensors')
    const bytes = await bytesOf(file, source)
    const header = await readSafetensorsHeader(memorySource(file.path, bytes))
    const attempt = (at: number) => {
      const broken = bytes.slice()
      broken[at] = 255 - (broken[at] ?? 0)
      return file.verify?.(source, memorySource(file.path, broken), { kernels }) ?? Promise.resolve()
    }
    for (const { name, start, end } of header.tensors.values()) {
      const whole = name.replace(/\.(qweight|qzeros|scales|g_idx)$/, '.weight')
      await expect(attempt(start + Math.floor((end - start) / 2)), name).rejects.toMatchObject({
        code: 'proof-failed',
        message: expect.stringContaining(`Tensor ${whole} differs`) as string,
      })
    }
    for (let at = 9; at < header.dataStart - 8; at += 331) {
      await expect(attempt(at), `byte ${at}`).rejects.toMatchObject({ code: 'proof-failed' })
    }
  })
})
