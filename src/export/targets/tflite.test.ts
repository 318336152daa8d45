import { beforeAll, describe, expect, it } from 'vitest'
import type { Checkpoint } from '../../checkpoint/checkpoint.ts'
import { layoutTflite } from '../../formats/tflite/layout.ts'
import { memorySource } from '../../io/memory-source.ts'
import type { ActivationMode, InputRounding } from '../../kernels/contract/activations.ts'
import { createReferenceKernels } from '../../kernels/reference/index.ts'
import type { RawConfig } from '../../models/family.ts'
import type { BlockSpec } from '../../models/model-graph.ts'
import type { TensorEncoding } from '../../quantization/quantized-tensor.ts'
import { encodings as storage } from '../../quantization/registry.ts'
import { rowScalesOf } from '../../quantization/row-scales.ts'
import { madeCheckpoint, madeExportSource, wholeOf } from '../../testing/export-source.ts'
import { linear, referenceBlock, rmsNorm } from '../../testing/reference-forward.ts'
import { runTflite } from '../../testing/tflite-interpreter.ts'
import { tinyLlamaConfig } from '../../testing/tiny-llama.ts'
import { sentencePieceFiles } from '../../testing/tokenizer-files.ts'
import { type ExportedFile, type ExportSource, sizeOf } from '../target.ts'
import { decoderGraph } from '../tflite/decoder.ts'
import tflite from './tflite.ts'

const kernels = createReferenceKernels()
const perRow: TensorEncoding = { encoding: 'affine', bits: 8, group: 'row', isSymmetric: true }
const tiny = { num_hidden_layers: 1, max_position_embeddings: 12, vocab_size: 320 }

function source(config: RawConfig = {}, encodingOf: (name: string) => TensorEncoding = () => perRow): Promise<ExportSource> {
  const checkpoint = madeCheckpoint({ rawConfig: tinyLlamaConfig({ ...tiny, ...config }), tokenizerFiles: sentencePieceFiles() })
  return madeExportSource(checkpoint, kernels, ({ name }) => encodingOf(name))
}

async function bytesOf(file: ExportedFile | undefined, from: ExportSource): Promise<Uint8Array<ArrayBuffer>> {
  const pieces: Uint8Array<ArrayBuffer>[] = []
  for await (const piece of file?.write(from) ?? []) pieces.push(piece.slice())
  return new Uint8Array(await new Blob(pieces).arrayBuffer())
}

/** The weights that the export stands for, by checkpoint name. */
async function weightsOf(from: ExportSource, name: string): Promise<Float32Array<ArrayBuffer>> {
  const encoding = from.encodings.get(name)
  const rows = from.checkpoint.tensors.get(name)?.shape[0] ?? 0
  if (encoding === undefined) return from.checkpoint.readFloat(name)
  const stored = await wholeOf(from, name)
  expect(stored.rows).toBe(rows)
  return storage.get(stored.encoding).dequantize(stored, kernels)
}

async function blockWeights(from: ExportSource, block: BlockSpec): Promise<Record<string, Float32Array<ArrayBuffer>>> {
  const weights: Record<string, Float32Array<ArrayBuffer>> = {}
  for (const { role, weight, bias } of block.linears) {
    weights[role] = await weightsOf(from, weight)
    if (bias !== null) weights[`${role}.bias`] = await from.checkpoint.readFloat(bias)
    const scales = from.encodings.has(weight) ? rowScalesOf(await wholeOf(from, weight)) : null
    if (scales !== null) weights[`${role}.rowScales`] = scales
  }
  for (const [role, { name }] of Object.entries(block.norms)) weights[role] = await from.checkpoint.readFloat(name)
  return weights
}

/** Logits of the same weights by the formulas of a decoder, in f64. */
async function expectedLogits(from: ExportSource, ids: readonly number[]): Promise<Float64Array> {
  const { graph }: Checkpoint = from.checkpoint
  const { hidden, normEps } = graph.config
  const table = await weightsOf(from, graph.embedding.name)
  let state = Float64Array.from(ids.flatMap((id) => [...table.subarray(id * hidden, (id + 1) * hidden)]))
  for (const block of graph.blocks) {
    const modes = Object.fromEntries(
      block.linears.flatMap(({ role, weight }) => {
        const mode = from.inputModes.get(weight)
        return mode === undefined ? [] : [[role, mode] as const]
      }),
    )
    state = Float64Array.from(referenceBlock(graph.config, await blockWeights(from, block), state, modes))
  }
  const normed = rmsNorm(state, await from.checkpoint.readFloat(graph.finalNorm.name), normEps)
  return linear(normed, hidden, { head: await weightsOf(from, (graph.head ?? graph.embedding).name) }, 'head')
}

async function graphLogits(from: ExportSource, ids: readonly number[]): Promise<Float64Array> {
  const graph = decoderGraph(from)
  const layout = layoutTflite(graph)
  const bytes = await bytesOf(tflite.layout(from)[0], from)
  const constants = layout.constants.map(({ start, sizeBytes }) => bytes.slice(start, start + sizeBytes))
  return runTflite(graph, constants, ids)
}

const ids = [1, 300, 7, 260, 261, 262, 263, 5, 6, 270, 271, 2]

/** The linears of blocks with inputs and outputs in 8 bits. */
async function integers(from: ExportSource): Promise<ExportSource> {
  const mode: InputRounding = { kind: 'int8-tensor', scale: 0.02, outputScale: 0.0137 }
  const names = from.graph.blocks.flatMap(({ linears }) => linears.map(({ weight }) => weight))
  return { ...from, inputModes: new Map(names.map((name) => [name, mode])) }
}

describe('the TensorFlow Lite graph', () => {
  it.each<[string, RawConfig, (name: string) => TensorEncoding]>([
    ['one scale a row, tied', {}, () => perRow],
    ['Q8_0 blocks and own head', { tie_word_embeddings: false }, () => ({ encoding: 'ggml', type: 'Q8_0' })],
    [
      'floats outside the blocks, biases',
      { attention_bias: true, num_hidden_layers: 2 },
      (name) => (name.includes('embed') ? { encoding: 'source' } : perRow),
    ],
    [
      '4 bits in groups, scaled positions',
      { rope_scaling: { type: 'linear', factor: 2 } },
      () => ({ encoding: 'affine', bits: 4, group: 32, isSymmetric: false }),
    ],
    [
      'Llama 3 positions, as many keys as heads',
      {
        num_key_value_heads: 4,
        rope_scaling: { rope_type: 'llama3', factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 8 },
      },
      () => perRow,
    ],
  ])('computes a decoder with %s', async (_name, config, encodingOf) => {
    const from = await source(config, encodingOf)
    expect(tflite.supports(from)).toBe(true)
    const [made, wanted] = [await graphLogits(from, ids), await expectedLogits(from, ids)]
    expect(made).toHaveLength(12 * 320)
    const worst = made.reduce((most, value, at) => Math.max(most, Math.abs(value - (wanted[at] ?? Number.NaN))), 0)
    expect(worst).toBeLessThan(1e-5)
    expect(Math.max(...wanted)).toBeGreaterThan(0.1)
  })

  it('rounds inputs where the recipe found a static scale', async () => {
    const plain = await source()
    const mode: ActivationMode = { kind: 'int8-tensor', scale: 0.02 }
    const names = plain.checkpoint.graph.blocks[0]?.linears.map(({ weight }) => weight) ?? []
    const from = { ...plain, inputModes: new Map(names.map((name) => [name, mode])) }
    expect(tflite.supports(from)).toBe(true)
    const [made, wanted] = [await graphLogits(from, ids), await expectedLogits(from, ids)]
    const worst = made.reduce((most, value, at) => Math.max(most, Math.abs(value - (wanted[at] ?? Number.NaN))), 0)
    expect(worst).toBeLessThan(1e-5)
    // q, k and v read one rounded input, gate and up another.
    expect(decoderGraph(from).operators.filter(({ kind }) => kind === 'QUANTIZE')).toHaveLength(4)
  })

  it.each<[string, RawConfig]>([
    ['plain', {}],
    ['with biases', { architectures: ['Qwen2ForCausalLM'], model_type: 'qwen2', num_hidden_layers: 2 }],
  ])('has linears in whole numbers where outputs are in 8 bits too, %s', async (_name, config) => {
    const from = await integers(await source(config))
    const { operators } = decoderGraph(from)
    expect(tflite.supports(from)).toBe(true)
    expect(operators.filter(({ kind }) => kind === 'FULLY_CONNECTED_INT8')).toHaveLength(7 * from.graph.blocks.length)
    // The head alone is a product of floats.
    expect(operators.filter(({ kind }) => kind === 'FULLY_CONNECTED')).toHaveLength(1)
    const [made, wanted] = [await graphLogits(from, ids), await expectedLogits(from, ids)]
    const worst = made.reduce((most, value, at) => Math.max(most, Math.abs(value - (wanted[at] ?? Number.NaN))), 0)
    expect(worst).toBeLessThan(1e-5)
    const plain = await expectedLogits({ ...from, inputModes: new Map() }, ids)
    expect(wanted.some((value, at) => Math.abs(value - (plain[at] ?? 0)) > 1e-3)).toBe(true)
  })
})

describe('tflite', () => {
  let from: ExportSource
  beforeAll(async () => {
    from = await source()
  })

  it('writes a model, its settings and its bytes in C, each of its planned size', async () => {
    const files = tflite.layout(from)
    expect(files.map(({ path }) => path)).toEqual(['model.tflite', 'model_settings.h', 'model_data.h', 'model_data.cc'])
    for (const file of files) {
      const bytes = await bytesOf(file, from)
      expect(bytes, file.path).toHaveLength(file.sizeBytes)
      await file.verify?.(from, memorySource(file.path, bytes), { kernels })
    }
    const settings = new TextDecoder().decode(await bytesOf(files[1], from))
    expect(settings).toContain('constexpr int kSequenceLength = 12;')
    expect(settings).toContain('constexpr int kVocabularySize = 320;')
    const calls = settings.match(/resolver\.Add\w+\(\)/g) ?? []
    expect(new Set(calls).size).toBe(calls.length)
    expect(settings).toContain(`kOperatorCount = ${calls.length};`)
    const arena = Number(/kTensorArenaBytes = (\d+);/.exec(settings)?.[1])
    // The largest tensor of the graph is the head in floats.
    expect(arena).toBeGreaterThan(320 * 64 * 4)
    expect(arena).toBeLessThan(4 * 320 * 64 * 4)
    const text = new TextDecoder().decode(await bytesOf(files[3], from))
    // The array in C is the model once more.
    expect(sizeOf(files)).toBe(files.slice(0, 3).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0))
    expect(text.split('\n')[3]).toMatch(/^(?:0x[0-9a-f]{2},){16}$/)
  })

  it('finds one wrong byte anywhere', async () => {
    for (const path of ['model.tflite', 'model_data.cc']) {
      const file = tflite.layout(from).find((each) => each.path === path)
      const bytes = await bytesOf(file, from)
      const layout = layoutTflite(decoderGraph(from))
      const [inHead, behind] = path === 'model.tflite' ? [1499, 20_011] : [90_001, 90_001]
      const places = Array.from({ length: bytes.length }, (_, at) => at).filter(
        (at) => (at < layout.head.length ? at % inHead : at % behind) === 0,
      )
      const inside = layout.constants.map(({ start }) => start)
      for (const at of path === 'model.tflite' ? [...places.filter((place) => place < layout.head.length), ...inside] : places) {
        const broken = bytes.slice()
        broken[at] = 255 - (broken[at] ?? 0)
        const attempt = file?.verify?.(from, memorySource(path, broken), { kernels }) ?? Promise.resolve()
        await expect(attempt, `${path} ${at}`).rejects.toMatchObject({ code: 'proof-failed' })
      }
    }
  })

  it('finds one wrong byte in scales of rows and in biases', async () => {
    const made = await integers(await source({ architectures: ['Qwen2ForCausalLM'], model_type: 'qwen2' }))
    const [file] = tflite.layout(made)
    const bytes = await bytesOf(file, made)
    expect(bytes).toHaveLength(file?.sizeBytes ?? 0)
    await file?.verify?.(made, memorySource('m', bytes), { kernels })
    const { constants } = layoutTflite(decoderGraph(made))
    for (const { start, sizeBytes } of constants) {
      // The last byte of the first value, and of the last: the highest of a number.
      for (const at of [start + Math.min(3, sizeBytes - 1), start + sizeBytes - 1]) {
        const broken = bytes.slice()
        broken[at] = 255 - (broken[at] ?? 0)
        const attempt = file?.verify?.(made, memorySource('m', broken), { kernels }) ?? Promise.resolve()
        await expect(attempt, `byte ${at}`).rejects.toMatchObject({ code: 'proof-failed' })
      }
    }
  })

  it('says what its linears compute in', async () => {
    expect(tflite.notes(from).join()).toContain('Activations are floats; smoothquant-w8a8-integer')
    const made = await integers(from)
    expect(tflite.notes(made).join()).toContain('Linears of the blocks are 8-bit integers in and out')
    // DEQUANTIZE of weights is gone from the arena; its settings name each operator once.
    const settings = new TextDecoder().decode(await bytesOf(tflite.layout(made)[1], made))
    expect(settings.match(/AddFullyConnected/g)).toHaveLength(1)
  })

  it('reads fewer tokens at a time on a microcontroller, in a smaller arena', async () => {
    const long = await source({ max_position_embeddings: 512 })
    const micro = { ...long, options: { ...long.options, device: 'esp32-s3' } }
    const settingsOf = async (facts: ExportSource): Promise<number[]> => {
      const text = new TextDecoder().decode(await bytesOf(tflite.layout(facts)[1], facts))
      return ['kSequenceLength', 'kTensorArenaBytes'].map((name) => Number(new RegExp(`${name} = (\\d+);`).exec(text)?.[1]))
    }
    const [tokens, arena = 0] = await settingsOf(long)
    const [fewer, smaller] = await settingsOf(micro)
    expect([tokens, fewer]).toEqual([128, 32])
    expect(smaller).toBeLessThan(arena / 2)
  })

  it('leaves the C source out of larger models, and says so', async () => {
    const large = madeCheckpoint({
      rawConfig: tinyLlamaConfig({ ...tiny, vocab_size: 140_000 }),
      tokenizerFiles: sentencePieceFiles(),
      values: ({ shape }) => new Float32Array(shape.reduce((product, extent) => product * extent, 1)),
    })
    const facts = await madeExportSource(large, kernels, ({ name }) => (name.includes('embed') ? { encoding: 'source' } : perRow))
    expect(tflite.layout(facts).map(({ path }) => path)).toEqual(['model.tflite', 'model_settings.h'])
    expect(tflite.notes(facts).join('\n')).toMatch(/embedding stays float.*\n.*larger than 8 MiB/)
    expect(tflite.notes(from)).toHaveLength(1)
  })

  it.each<[RawConfig, TensorEncoding, RegExp]>([
    [{}, { encoding: 'source' }, /Nothing is quantized/],
    [{}, { encoding: 'ggml', type: 'Q4_0' }, /Q4_0 blocks of 32\. Take Q8_0 or/],
    [
      { intermediate_size: 100 },
      { encoding: 'affine', bits: 8, group: 32, isSymmetric: true },
      /down_proj\.weight are not a whole number of groups of 32/,
    ],
  ])('refuses %o in %o', async (config, encoding, message) => {
    expect(tflite.supports(await source(config, () => encoding))).toMatch(message)
  })

  it('refuses outputs in 8 bits where rows have no scale of their own', async () => {
    const grouped = await integers(await source({}, () => ({ encoding: 'affine', bits: 4, group: 32, isSymmetric: true })))
    expect(tflite.supports(grouped)).toMatch(/one scale for each row of their weights, and model\.layers\.0\.\S+ has none/)
    const float = await integers(await source({}, (name) => (name.includes('v_proj') ? { encoding: 'source' } : perRow)))
    expect(tflite.supports(float)).toMatch(/v_proj\.weight has none/)
  })

  it('refuses inputs that are rounded token by token, and more weights than a file holds', () => {
    const rows: ActivationMode = { kind: 'int8-rows', outlierThreshold: null }
    expect(tflite.supports({ ...from, inputModes: new Map([['w', rows]]) })).toMatch(/token by token/)
    const huge = { ...from.checkpoint, parameters: 3e9 }
    expect(tflite.supports({ ...from, checkpoint: huge })).toMatch(/ends at 2 GB, and this model has 3000000000 weights/)
  })
})
