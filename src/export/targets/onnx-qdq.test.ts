import { describe, expect, it, vi } from 'vitest'
import { decodeModel } from '../../formats/onnx/read.ts'
import { memorySource } from '../../io/memory-source.ts'
import type { InputRounding } from '../../kernels/contract/activations.ts'
import { createReferenceKernels } from '../../kernels/reference/index.ts'
import type { RawConfig } from '../../models/family.ts'
import type { TensorSpec } from '../../models/model-graph.ts'
import type { TensorEncoding } from '../../quantization/quantized-tensor.ts'
import { madeCheckpoint, madeExportSource } from '../../testing/export-source.ts'
import { batchByOnnx, continueByOnnx, onnxLogits } from '../../testing/onnx-session.ts'
import { referenceLogits } from '../../testing/reference-model.ts'
import { tinyLlamaConfig } from '../../testing/tiny-llama.ts'
import { sentencePieceFiles } from '../../testing/tokenizer-files.ts'
import type { ExportSource } from '../target.ts'
import onnxQdq from './onnx-qdq.ts'

// The first session compiles ONNX Runtime.
vi.setConfig({ testTimeout: 60_000 })

const kernels = createReferenceKernels()
const eightBits = ({ name }: TensorSpec): TensorEncoding =>
  name.startsWith('model.layers') ? { encoding: 'affine', bits: 8, group: 'row', isSymmetric: true } : { encoding: 'source' }

/** Every linear with a static scale of its own, those of one input with one scale. */
async function made(
  rawConfig: RawConfig = tinyLlamaConfig(),
  encodingOf: (spec: TensorSpec) => TensorEncoding = eightBits,
  modeOf: (role: string) => InputRounding | undefined = (role) => ({
    kind: 'int8-tensor',
    scale: role === 'down' ? 0.0005 : role === 'o' ? 0.001 : 0.025,
  }),
): Promise<ExportSource> {
  const checkpoint = madeCheckpoint({ rawConfig, tokenizerFiles: sentencePieceFiles() })
  const inputModes = new Map(
    checkpoint.graph.blocks.flatMap(({ linears }) =>
      linears.flatMap(({ role, weight }) => {
        const mode = modeOf(role)
        return mode === undefined ? [] : [[weight, mode] as const]
      }),
    ),
  )
  return { ...(await madeExportSource(checkpoint, kernels, encodingOf)), inputModes }
}

async function written(source: ExportSource): Promise<Map<string, Uint8Array<ArrayBuffer>>> {
  const files = new Map<string, Uint8Array<ArrayBuffer>>()
  for (const file of onnxQdq.layout(source)) {
    const parts: Uint8Array<ArrayBuffer>[] = []
    for await (const part of file.write(source)) parts.push(part.slice())
    const bytes = new Uint8Array(await new Blob(parts).arrayBuffer())
    expect(bytes.length, file.path).toBe(file.sizeBytes)
    await file.verify?.(source, memorySource(file.path, bytes), { kernels })
    files.set(file.path, bytes)
  }
  return files
}

const prompt = [1, 17, 300, 5, 5, 42, 99]

describe('ONNX with weights and inputs in 8 bits', () => {
  it.each<[string, RawConfig]>([
    ['Llama', tinyLlamaConfig()],
    ['a width that is no multiple of anything, and biases', tinyLlamaConfig({ intermediate_size: 101, attention_bias: true })],
    ['narrow heads and a head matrix of its own', tinyLlamaConfig({ num_attention_heads: 8, tie_word_embeddings: false })],
    ['Mistral with a window', { ...tinyLlamaConfig(), model_type: 'mistral', architectures: ['MistralForCausalLM'], sliding_window: 3 }],
  ])('computes what the studio simulates, at once and from the cache: %s', async (_case, config) => {
    const source = await made(config)
    const files = await written(source)
    const expected = await referenceLogits(source, kernels, prompt)
    for (const found of [await onnxLogits(files, prompt), await continueByOnnx(files, prompt)]) {
      const difference = expected.reduce((most, logit, index) => Math.max(most, Math.abs(logit - (found[index] ?? Number.NaN))), 0)
      // An input on the border of two codes may fall to either side.
      expect(difference).toBeLessThan(5e-4)
    }
  })

  it.each(['left', 'right'] as const)('gives each text of a batch what it gets alone, padded on the %s', async (side) => {
    const files = await written(await made())
    const texts = [prompt, [1, 17, 300]]
    const found = await batchByOnnx(files, texts, side)
    for (const [row, text] of texts.entries()) {
      const alone = await onnxLogits(files, text)
      expect(found[row]).toHaveLength(alone.length)
      const difference = alone.reduce((most, logit, index) => Math.max(most, Math.abs(logit - (found[row]?.[index] ?? Number.NaN))), 0)
      expect(difference, `text ${row}`).toBeLessThan(5e-4)
    }
  })

  it('is made of plain operators of an opset that TensorRT reads, with symmetric codes', async () => {
    const files = await written(await made())
    expect([...files.keys()].slice(0, 4)).toEqual(['onnx/model_int8.onnx', 'onnx/model_int8.onnx_data', 'calibration.cache', 'config.json'])
    const model = decodeModel(files.get('onnx/model_int8.onnx') ?? new Uint8Array())
    expect(model.opsets['']).toBe(17)
    expect(new Set(model.nodes.map(({ domain }) => domain))).toEqual(new Set(['']))
    expect(model.initializers.find(({ name }) => name === 'model.layers.0.mlp.down_proj.weight_int8')).toMatchObject({
      type: 3,
      shape: [96, 64],
    })
    // q, k and v share an input, as gate and up do.
    expect(model.nodes.filter(({ op }) => op === 'QuantizeLinear')).toHaveLength(2 * 4)
  })

  it('has a calibration cache that names the inputs of its QuantizeLinear with their scales', async () => {
    const files = await written(await made())
    const lines = new TextDecoder().decode(files.get('calibration.cache')).trimEnd().split('\n')
    expect(lines[0]).toBe('TRT-8602-EntropyCalibration2')
    // 0.025 and 0.0005 as f32
    expect(lines.slice(1, 5)).toEqual([
      'layers.0.attention_input: 3ccccccd',
      'layers.0.attention: 3a83126f',
      'layers.0.mlp_input: 3ccccccd',
      'layers.0.gated: 3a03126f',
    ])
  })

  it('has its exact size before the run, when no scale is known', async () => {
    const source = await made()
    const before = {
      ...source,
      inputModes: new Map([...source.inputModes.keys()].map((name) => [name, { kind: 'int8-tensor', scale: Number.NaN } as const])),
    }
    const sizes = (facts: ExportSource) => onnxQdq.layout(facts).map(({ path, sizeBytes }) => [path, sizeBytes])
    expect(onnxQdq.supports(before)).toBe(true)
    // q, k and v have one scale before and after; scales that happen to be equal elsewhere are shared by input only.
    expect(sizes(before)).toEqual(sizes(source))
  })

  it('keeps float what calibration could not scale, and says so', async () => {
    const source = await made(tinyLlamaConfig(), eightBits, (role) => (role === 'down' ? undefined : { kind: 'int8-tensor', scale: 0.025 }))
    expect(onnxQdq.notes(source).join(' ')).toMatch(/Inputs of 2 linears stay float/)
    expect(onnxQdq.notes(await made()).join(' ')).not.toMatch(/stay float/)
    const found = await onnxLogits(await written(source), prompt)
    const expected = await referenceLogits(source, kernels, prompt)
    expect(expected.every((logit, index) => Math.abs(logit - (found[index] ?? Number.NaN)) < 5e-4)).toBe(true)
  })

  it('hands on floats where the recipe has outputs in 8 bits, and says so', async () => {
    const source = await made(tinyLlamaConfig(), eightBits, () => ({ kind: 'int8-tensor', scale: 0.025, outputScale: 0.1 }))
    expect(onnxQdq.supports(source)).toBe(true)
    expect(onnxQdq.notes(source).join(' ')).toMatch(/outputs of linears.*hand on floats/)
    expect(onnxQdq.notes(await made()).join(' ')).not.toMatch(/hand on floats/)
  })

  it.each<[string, Parameters<typeof made>[1], Parameters<typeof made>[2], RegExp]>([
    [
      'inputs in float',
      eightBits,
      () => undefined,
      /one scale for the inputs of each linear, found by calibration.*smoothquant-w8a8-static/,
    ],
    ['inputs by token', eightBits, () => ({ kind: 'int8-rows', outlierThreshold: null }), /rounded with a scale for each token/],
    [
      '4 bits',
      ({ name }) =>
        name.startsWith('model.layers') ? { encoding: 'affine', bits: 4, group: 'row', isSymmetric: true } : { encoding: 'source' },
      undefined,
      /symmetric 8-bit codes with one scale a row.*4 bits/,
    ],
    [
      'zero points',
      ({ name }) =>
        name.startsWith('model.layers') ? { encoding: 'affine', bits: 8, group: 'row', isSymmetric: false } : { encoding: 'source' },
      undefined,
      /symmetric 8-bit codes/,
    ],
    [
      'a quantized embedding',
      () => ({ encoding: 'affine', bits: 8, group: 'row', isSymmetric: true }),
      undefined,
      /keeps embedding and head in float, and model.embed_tokens/,
    ],
  ])('refuses %s', async (_case, encodingOf, modeOf, message) => {
    expect(onnxQdq.supports(await made(tinyLlamaConfig(), encodingOf, modeOf))).toMatch(message)
  })

  it('finds one wrong byte in any tensor', async () => {
    const source = await made(tinyLlamaConfig({ num_hidden_layers: 1 }))
    const [, data] = onnxQdq.layout(source)
    const files = await written(source)
    const { initializers } = decodeModel(files.get('onnx/model_int8.onnx') ?? new Uint8Array())
    for (const { name, data: place } of initializers) {
      if (place instanceof Uint8Array) continue
      const broken = files.get('onnx/model_int8.onnx_data')?.slice() ?? new Uint8Array()
      const at = place.offset + Math.floor(place.length / 2)
      broken[at] = 255 - (broken[at] ?? 0)
      await expect(data?.verify?.(source, memorySource('data', broken), { kernels }), name).rejects.toMatchObject({ code: 'proof-failed' })
    }
  })
})
