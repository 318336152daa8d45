import { describe, expect, it, vi } from 'vitest'
import { decodeModel } from '../../formats/onnx/read.ts'
import { memorySource } from '../../io/memory-source.ts'
import { createReferenceKernels } from '../../kernels/reference/index.ts'
import type { RawConfig } from '../../models/family.ts'
import type { TensorSpec } from '../../models/model-graph.ts'
import type { TensorEncoding } from '../../quantization/quantized-tensor.ts'
import { madeCheckpoint, madeExportSource } from '../../testing/export-source.ts'
import { continueByOnnx, onnxLogits } from '../../testing/onnx-session.ts'
import { referenceLogits } from '../../testing/reference-model.ts'
import { tinyLlamaConfig } from '../../testing/tiny-llama.ts'
import { byteLevelFiles, sentencePieceFiles } from '../../testing/tokenizer-files.ts'
import type { ExportedFile, ExportSource } from '../target.ts'
import onnx from './onnx.ts'

// The first session compiles ONNX Runtime.
vi.setConfig({ testTimeout: 60_000 })

const kernels = createReferenceKernels()

const affine =
  (bits: number, group: number | 'row' | 'tensor', isSymmetric: boolean) =>
  ({ name }: TensorSpec): TensorEncoding =>
    name.startsWith('model.layers') ? { encoding: 'affine', bits, group, isSymmetric } : { encoding: 'source' }

async function made(
  rawConfig: RawConfig,
  encodingOf: (spec: TensorSpec) => TensorEncoding,
  change: Partial<ExportSource> = {},
): Promise<ExportSource> {
  const checkpoint = madeCheckpoint({ rawConfig, tokenizerFiles: sentencePieceFiles() })
  return { ...(await madeExportSource(checkpoint, kernels, encodingOf)), ...change }
}

async function bytesOf(file: ExportedFile, source: ExportSource): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array<ArrayBuffer>[] = []
  for await (const part of file.write(source)) parts.push(part.slice())
  return new Uint8Array(await new Blob(parts).arrayBuffer())
}

/** Every file by path, of exactly its planned size, proved. */
async function written(source: ExportSource): Promise<Map<string, Uint8Array<ArrayBuffer>>> {
  const files = new Map<string, Uint8Array<ArrayBuffer>>()
  for (const file of onnx.layout(source)) {
    const bytes = await bytesOf(file, source)
    expect(bytes.length, file.path).toBe(file.sizeBytes)
    await file.verify?.(source, memorySource(file.path, bytes), { kernels })
    files.set(file.path, bytes)
  }
  return files
}

const json = (bytes: Uint8Array | undefined): Record<string, unknown> =>
  JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>

const prompt = [1, 17, 300, 5, 5, 42, 99]

/** Largest difference of a logit between the written file in ONNX Runtime and the f64 reference on the stored weights. */
async function largestDifference(source: ExportSource): Promise<number> {
  const found = await onnxLogits(await written(source), prompt)
  const expected = await referenceLogits(source, kernels, prompt)
  expect(found).toHaveLength(expected.length)
  return expected.reduce((most, logit, index) => Math.max(most, Math.abs(logit - (found[index] ?? Number.NaN))), 0)
}

describe('ONNX decoder in ONNX Runtime', () => {
  it.each<[string, RawConfig, (spec: TensorSpec) => TensorEncoding]>([
    ['Llama, 4 bits in groups', tinyLlamaConfig(), affine(4, 32, false)],
    ['2 bits, symmetric', tinyLlamaConfig(), affine(2, 32, true)],
    ['3 bits, which take 4', tinyLlamaConfig(), affine(3, 32, true)],
    ['6 bits, which take 8', tinyLlamaConfig(), affine(6, 32, false)],
    ['8 bits by row, of a width that is no block', tinyLlamaConfig({ intermediate_size: 100 }), affine(8, 'row', true)],
    ['one scale for a matrix', tinyLlamaConfig(), affine(8, 'tensor', false)],
    ['heads too narrow for the operator', tinyLlamaConfig({ num_attention_heads: 8, num_key_value_heads: 4 }), affine(4, 32, true)],
    ['biases of all linears', tinyLlamaConfig({ attention_bias: true, mlp_bias: true }), affine(4, 32, false)],
    ['a head of its own', tinyLlamaConfig({ tie_word_embeddings: false }), affine(4, 32, false)],
    ['a quantized embedding that is the head', tinyLlamaConfig(), () => ({ encoding: 'affine', bits: 4, group: 32, isSymmetric: false })],
    [
      'a quantized embedding and a quantized head',
      tinyLlamaConfig({ tie_word_embeddings: false }),
      () => ({ encoding: 'affine', bits: 8, group: 16, isSymmetric: true }),
    ],
    ['Qwen 2', { ...tinyLlamaConfig(), model_type: 'qwen2', architectures: ['Qwen2ForCausalLM'] }, affine(4, 32, false)],
    [
      'Mistral with a window',
      { ...tinyLlamaConfig(), model_type: 'mistral', architectures: ['MistralForCausalLM'], sliding_window: 4 },
      affine(4, 32, false),
    ],
    [
      'llama3 positions',
      tinyLlamaConfig({
        rope_scaling: { rope_type: 'llama3', factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 32 },
      }),
      affine(4, 32, false),
    ],
    ['floats alone', tinyLlamaConfig(), () => ({ encoding: 'source' })],
    [
      'Q4_0 blocks',
      tinyLlamaConfig(),
      ({ name }) => (name.startsWith('model.layers') ? { encoding: 'ggml', type: 'Q4_0' } : { encoding: 'source' }),
    ],
    [
      'Q5_0 blocks',
      tinyLlamaConfig(),
      ({ name }) => (name.startsWith('model.layers') ? { encoding: 'ggml', type: 'Q5_0' } : { encoding: 'source' }),
    ],
    [
      'Q8_0 blocks',
      tinyLlamaConfig(),
      ({ name }) => (name.startsWith('model.layers') ? { encoding: 'ggml', type: 'Q8_0' } : { encoding: 'source' }),
    ],
    [
      'F16',
      tinyLlamaConfig(),
      ({ name }) => (name.startsWith('model.layers') ? { encoding: 'ggml', type: 'F16' } : { encoding: 'source' }),
    ],
  ])('computes what the stored weights compute: %s', async (_case, rawConfig, encodingOf) => {
    expect(await largestDifference(await made(rawConfig, encodingOf))).toBeLessThan(2e-5)
  })

  it('goes on from its cache as it would from the whole text', async () => {
    for (const change of [{}, { num_attention_heads: 8, num_key_value_heads: 4 }]) {
      const files = await written(await made(tinyLlamaConfig(change), affine(4, 32, false)))
      const whole = await onnxLogits(files, prompt)
      const stepwise = await continueByOnnx(files, prompt)
      const difference = whole.reduce((most, logit, index) => Math.max(most, Math.abs(logit - (stepwise[index] ?? Number.NaN))), 0)
      expect(difference).toBeLessThan(1e-5)
    }
  })
})

describe('ONNX files', () => {
  it('lie as transformers.js and onnxruntime-genai look for them', async () => {
    const checkpoint = madeCheckpoint({ rawConfig: tinyLlamaConfig(), tokenizerFiles: byteLevelFiles() })
    const source = await madeExportSource(checkpoint, kernels, affine(4, 32, true))
    const files = await written(source)
    expect([...files.keys()]).toEqual([
      'onnx/model_q4.onnx',
      'onnx/model_q4.onnx_data',
      'config.json',
      'genai_config.json',
      'tokenizer.json',
      'tokenizer_config.json',
      'chat_template.jinja',
    ])
    expect(json(files.get('config.json'))).toMatchObject({
      model_type: 'llama',
      'transformers.js_config': { dtype: 'q4', use_external_data_format: { 'model_q4.onnx': 1 } },
    })
    expect(json(files.get('genai_config.json'))).toMatchObject({
      model: {
        type: 'llama',
        context_length: 128,
        vocab_size: 320,
        eos_token_id: 2,
        decoder: {
          filename: 'onnx/model_q4.onnx',
          head_size: 16,
          num_key_value_heads: 2,
          inputs: { past_key_names: 'past_key_values.%d.key' },
        },
      },
      search: { max_length: 128 },
    })
  })

  it.each<[string, string, (spec: TensorSpec) => TensorEncoding]>([
    ['model_q2.onnx', 'q2', affine(2, 32, true)],
    ['model_quantized.onnx', 'q8', affine(8, 'row', true)],
    ['model.onnx', 'fp32', () => ({ encoding: 'source' })],
  ])('are called %s', async (name, dtype, encodingOf) => {
    const files = await written(await made(tinyLlamaConfig(), encodingOf))
    expect([...files.keys()][0]).toBe(`onnx/${name}`)
    expect(json(files.get('config.json'))['transformers.js_config']).toMatchObject({ dtype })
  })

  it('split weights above the limit into files that the graph names, a matrix with its scales in one', async () => {
    const source = await made(tinyLlamaConfig(), affine(4, 32, false), { options: { maxFileBytes: 40_000, device: null } })
    const files = await written(source)
    const data = [...files.keys()].filter((path) => path.includes('.onnx_data'))
    expect(data.length).toBeGreaterThan(2)
    expect(data.slice(0, 3)).toEqual(['onnx/model_q4.onnx_data', 'onnx/model_q4.onnx_data_1', 'onnx/model_q4.onnx_data_2'])
    expect(json(files.get('config.json'))['transformers.js_config']).toMatchObject({
      use_external_data_format: { 'model_q4.onnx': data.length },
    })
    const { initializers } = decodeModel(files.get('onnx/model_q4.onnx') ?? new Uint8Array())
    const places = new Map(initializers.flatMap(({ name, data: place }) => (place instanceof Uint8Array ? [] : [[name, place] as const])))
    const module = 'model.layers.1.mlp.up_proj'
    expect(places.get(`${module}.scales`)?.location).toBe(places.get(`${module}.qweight`)?.location)
    for (const { offset } of places.values()) expect(offset % 64).toBe(0)
    expect(await largestDifference(source)).toBeLessThan(2e-5)
  })
})

describe('ONNX with activations in f16', () => {
  const options = { maxFileBytes: null, device: null, activations: 'f16' } as const

  it('has halves for scales, floats and the cache, f32 logits, and names of its own', async () => {
    const source = await made(tinyLlamaConfig({ attention_bias: true }), affine(4, 32, false), { options })
    const files = await written(source)
    expect([...files.keys()].slice(0, 2)).toEqual(['onnx/model_q4f16.onnx', 'onnx/model_q4f16.onnx_data'])
    expect(json(files.get('config.json'))['transformers.js_config']).toMatchObject({ dtype: 'q4f16' })
    const { inputs, outputs, initializers } = decodeModel(files.get('onnx/model_q4f16.onnx') ?? new Uint8Array())
    expect(new Set(inputs.slice(2).map(({ type }) => type))).toEqual(new Set([10]))
    expect(outputs.map(({ type }) => type)).toEqual([1, 10, 10, 10, 10])
    const external = initializers.filter(({ data }) => !(data instanceof Uint8Array))
    expect(new Set(external.map(({ type }) => type))).toEqual(new Set([2, 10]))
    expect([...(await written(await made(tinyLlamaConfig(), () => ({ encoding: 'source' }), { options }))).keys()][0]).toBe(
      'onnx/model_fp16.onnx',
    )
  })

  it('refuses what has f32 scales or no name', async () => {
    const eight = await made(tinyLlamaConfig(), affine(8, 32, true), { options })
    expect(onnx.supports(eight)).toMatch(/no name for a file of 8-bit weights/)
    const nf4 = await made(
      tinyLlamaConfig(),
      ({ name }) =>
        name.startsWith('model.layers') ? { encoding: 'codebook', book: 'nf4', blockSize: 64, isNested: false } : { encoding: 'source' },
      { options },
    )
    expect(onnx.supports(nf4)).toMatch(/those of model\.layers\.0\.self_attn\.q_proj\.weight are f32/)
  })
})

describe('ONNX refusals and notes', () => {
  it.each<[TensorEncoding, RegExp]>([
    [{ encoding: 'ggml', type: 'IQ4_NL' }, /IQ4_NL blocks of 32\. ONNX has no operator for IQ4_NL blocks/],
    [{ encoding: 'k-means', bits: 3, group: 32 }, /no operator for tables of values/],
    [{ encoding: 'codebook', book: 'log2', blockSize: 64, isNested: false }, /no operator for powers of two/],
    [{ encoding: 'affine', bits: 4, group: 24, isSymmetric: true }, /groups of 24 are no whole number/],
    [{ encoding: 'real-affine', levels: 256, isSymmetric: false, group: 32 }, /no fractional zero points for 8-bit codes/],
  ])('refuses %o', async (encoding, message) => {
    const source = await made(tinyLlamaConfig(), ({ name }) => (name.startsWith('model.layers') ? encoding : { encoding: 'source' }))
    expect(onnx.supports(source)).toMatch(message)
  })

  it.each<[TensorEncoding, RegExp]>([
    [{ encoding: 'codebook', book: 'nf4', blockSize: 64, isNested: false }, /no operator that looks up rows of such values/],
    [{ encoding: 'real-affine', levels: 16, isSymmetric: false, group: 32 }, /looks up rows with fractional zero points/],
    [{ encoding: 'affine', bits: 4, group: 128, isSymmetric: true }, /64 values, which is not a multiple of the block of 128/],
  ])('refuses an embedding in %o', async (encoding, message) => {
    const source = await made(tinyLlamaConfig(), ({ name }) => (name.includes('embed') ? encoding : { encoding: 'source' }))
    expect(onnx.supports(source)).toMatch(message)
  })

  it('says what takes more bits, what a graphics card cannot, and what is measured but not in the file', async () => {
    expect(onnx.notes(await made(tinyLlamaConfig(), affine(4, 32, true)))).toEqual([])
    expect(onnx.notes(await made(tinyLlamaConfig(), affine(3, 16, true))).join(' ')).toMatch(/3-bit codes take 4 bits.*Groups of 16/)
    const nf4 = await made(tinyLlamaConfig({ num_attention_heads: 8 }), ({ name }) =>
      name.startsWith('model.layers') ? { encoding: 'codebook', book: 'nf4', blockSize: 64, isNested: false } : { encoding: 'source' },
    )
    expect(onnx.notes(nf4).join(' ')).toMatch(/NF4 and FP4 run on the processor only.*Heads of 8 values/)
    const modes = new Map([['model.layers.0.mlp.up_proj.weight', { kind: 'int8-rows', outlierThreshold: null } as const]])
    expect(onnx.notes(await made(tinyLlamaConfig(), affine(8, 'row', true), { inputModes: modes })).join(' ')).toMatch(
      /inputs of linears stay float/,
    )
    const hqq = await made(tinyLlamaConfig(), () => ({ encoding: 'real-affine', levels: 16, isSymmetric: false, group: 32 }))
    expect(onnx.supports(hqq)).toMatch(/embed_tokens/)
  })

  it('stops when storage holds another encoding than the recipe says', async () => {
    const source = await made(tinyLlamaConfig(), affine(4, 32, true))
    const blocks = await made(tinyLlamaConfig(), ({ name }) =>
      name.startsWith('model.layers') ? { encoding: 'ggml', type: 'Q8_0' } : { encoding: 'source' },
    )
    const [, data] = onnx.layout(source)
    const attempt = data === undefined ? Promise.resolve() : bytesOf(data, { ...source, readTiles: (name) => blocks.readTiles(name) })
    await expect(attempt).rejects.toMatchObject({ code: 'storage-fault' })
  })
})

describe('ONNX proof', () => {
  it('finds one wrong byte in any tensor', async () => {
    const source = await made(tinyLlamaConfig({ num_hidden_layers: 1, attention_bias: true }), affine(4, 32, false))
    const [model, data] = onnx.layout(source)
    if (model === undefined || data === undefined) throw new RangeError('no files')
    const { initializers } = decodeModel(await bytesOf(model, source))
    const bytes = await bytesOf(data, source)
    for (const { name, data: place } of initializers) {
      if (place instanceof Uint8Array) continue
      const broken = bytes.slice()
      const at = place.offset + Math.floor(place.length / 2)
      broken[at] = 255 - (broken[at] ?? 0)
      const attempt = data.verify?.(source, memorySource(data.path, broken), { kernels })
      await expect(attempt, name).rejects.toMatchObject({ code: 'proof-failed' })
    }
  })

  it('finds wrong bytes in the graph', async () => {
    const source = await made(tinyLlamaConfig({ num_hidden_layers: 1 }), affine(4, 32, false))
    const [model] = onnx.layout(source)
    if (model === undefined) throw new RangeError('no file')
    const bytes = await bytesOf(model, source)
    let caught = 0
    let tried = 0
    for (let at = 0; at < bytes.length; at += 97) {
      const broken = bytes.slice()
      broken[at] = 255 - (broken[at] ?? 0)
      tried += 1
      const attempt = model.verify?.(source, memorySource(model.path, broken), { kernels }) ?? Promise.resolve()
      await attempt.catch((error: unknown) => {
        expect(error).toMatchObject({ code: 'proof-failed' })
        caught += 1
      })
    }
    // Names of nodes and of the producer change nothing that is computed; the checksum of the whole file finds those.
    expect(caught / tried).toBeGreaterThan(0.8)
  })
})
