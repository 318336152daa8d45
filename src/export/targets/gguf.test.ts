import { describe, expect, it } from 'vitest'
import { floatFromHalf } from '../../core/float16.ts'
import { type GgufFile, readGguf } from '../../formats/gguf/read.ts'
import { tensorTypes } from '../../formats/gguf/types.ts'
import { memorySource } from '../../io/memory-source.ts'
import { type GgmlType, ggmlTypes } from '../../kernels/contract/ggml.ts'
import type { Kernels } from '../../kernels/contract/kernels.ts'
import { createReferenceKernels } from '../../kernels/reference/index.ts'
import { createWasmKernels } from '../../kernels/wasm/index.ts'
import type { RawConfig } from '../../models/family.ts'
import type { TensorSpec } from '../../models/model-graph.ts'
import type { TensorEncoding } from '../../quantization/quantized-tensor.ts'
import { type MadeCheckpointOptions, madeCheckpoint, madeExportSource, wholeOf } from '../../testing/export-source.ts'
import { tinyLlamaConfig } from '../../testing/tiny-llama.ts'
import { byteLevelFiles, sentencePieceFiles } from '../../testing/tokenizer-files.ts'
import type { ExportedFile, ExportSource } from '../target.ts'
import gguf from './gguf.ts'

const kernels = createReferenceKernels()
/** For whole layers of the types that search long. */
const wasm = await createWasmKernels()

const block =
  (type: GgmlType) =>
  ({ name }: TensorSpec): TensorEncoding =>
    name.startsWith('model.layers') ? { encoding: 'ggml', type } : { encoding: 'source' }
/** Types of later llama.cpp with their ids in ggml.h and `llama_ftype`. */
const blockTypes = [
  ['Q5_0', 6, 8],
  ['Q5_1', 7, 9],
  ['Q2_K', 10, 10],
  ['Q3_K', 11, 12],
  ['Q4_K', 12, 15],
  ['Q5_K', 13, 17],
  ['Q6_K', 14, 18],
  ['IQ2_XXS', 16, 19],
  ['IQ2_XS', 17, 20],
  ['IQ3_XXS', 18, 23],
  ['IQ1_S', 19, 24],
  ['IQ4_NL', 20, 25],
  ['IQ3_S', 21, 26],
  ['IQ2_S', 22, 28],
  ['IQ4_XS', 23, 30],
  ['IQ1_M', 29, 31],
  ['TQ1_0', 34, 36],
  ['TQ2_0', 35, 37],
  ['MXFP4', 39, 38],
  ['NVFP4', 40, 39],
] as const
function at(files: readonly ExportedFile[], index: number): ExportedFile {
  const file = files[index]
  if (file === undefined) throw new Error(`there is no file ${index}`)
  return file
}
const asSource = (): TensorEncoding => ({ encoding: 'source' })

function made(
  config: RawConfig,
  encodingOf: (spec: TensorSpec) => TensorEncoding,
  { by = kernels, ...options }: Partial<MadeCheckpointOptions> & { readonly by?: Kernels } = {},
) {
  const checkpoint = madeCheckpoint({ rawConfig: config, tokenizerFiles: sentencePieceFiles(), name: 'someone/Tiny-Llama', ...options })
  return madeExportSource(checkpoint, by, encodingOf, 'Q4_0')
}

async function bytesOf(file: ExportedFile, source: ExportSource): Promise<Uint8Array<ArrayBuffer>> {
  const pieces: Uint8Array<ArrayBuffer>[] = []
  for await (const piece of file.write(source)) pieces.push(piece.slice())
  return new Uint8Array(await new Blob(pieces).arrayBuffer())
}

async function exported(source: ExportSource) {
  const [file] = gguf.layout(source)
  if (file === undefined) throw new Error('no file')
  const bytes = await bytesOf(file, source)
  const parsed = await readGguf(memorySource(file.path, bytes))
  const verify = (written: Uint8Array) =>
    file.verify?.(source, memorySource(file.path, written), { kernels }) ?? Promise.reject(new Error())
  return { file, bytes, parsed, verify }
}

const settings = (file: GgufFile) => Object.fromEntries(file.metadata.map(({ key, value }) => [key, value.value]))

function tensorOf({ parsed, bytes }: { parsed: GgufFile; bytes: Uint8Array<ArrayBuffer> }, name: string) {
  const info = parsed.tensors.find((tensor) => tensor.name === name)
  if (info === undefined) throw new Error(`no ${name}`)
  const data = bytes.slice(info.offset, info.offset + info.sizeBytes)
  return {
    ...info,
    data,
    floats: info.type === 'F32' ? new Float32Array(data.buffer) : Float32Array.from(new Uint16Array(data.buffer), floatFromHalf),
  }
}

describe('GGUF export', () => {
  it('has exactly the planned size, and proves itself', async () => {
    for (const type of ['F16', 'Q8_0', 'Q4_0', 'Q4_1'] as const) {
      const { file, bytes, verify } = await exported(await made(tinyLlamaConfig(), block(type)))
      expect(bytes.length).toBe(file.sizeBytes)
      expect(file.path).toBe('Tiny-Llama-Q4_0.gguf')
      await verify(bytes)
    }
  })

  it.each(blockTypes)('writes %s blocks as type %i of a file of type %i, and proves them', async (type, id, fileType) => {
    const wide = { ...tinyLlamaConfig(), hidden_size: 256, intermediate_size: 256, num_hidden_layers: 1 }
    const { bytes, parsed, verify } = await exported(await made(wide, block(type), { by: wasm }))
    const info = parsed.tensors.find(({ name }) => name === 'blk.0.ffn_down.weight')
    expect(info?.type).toBe(type)
    expect(ggmlTypes[type]).toMatchObject({ ...tensorTypes[type], id })
    expect(settings(parsed)['general.file_type']).toBe(fileType)
    await verify(bytes)
    const damaged = bytes.slice()
    const at = (info?.offset ?? 0) + (info?.sizeBytes ?? 0) / 2
    damaged[at] = 255 - (damaged[at] ?? 0)
    await expect(verify(damaged)).rejects.toMatchObject({ code: 'proof-failed' })
  })

  it('writes the settings llama.cpp needs', async () => {
    const { parsed } = await exported(await made(tinyLlamaConfig(), block('Q8_0')))
    expect(settings(parsed)).toMatchObject({
      'general.architecture': 'llama',
      'general.type': 'model',
      'general.name': 'Tiny-Llama',
      'general.file_type': 7,
      'general.quantization_version': 2,
      'llama.block_count': 2,
      'llama.context_length': 128,
      'llama.embedding_length': 64,
      'llama.feed_forward_length': 96,
      'llama.attention.head_count': 4,
      'llama.attention.head_count_kv': 2,
      'llama.attention.key_length': 16,
      'llama.attention.value_length': 16,
      'llama.attention.layer_norm_rms_epsilon': Math.fround(1e-5),
      'llama.rope.freq_base': 10_000,
      'llama.rope.dimension_count': 16,
      'llama.vocab_size': 320,
      'tokenizer.ggml.model': 'llama',
    })
  })

  it.each([
    ['F16', 1],
    ['Q4_0', 2],
    ['Q4_1', 3],
  ] as const)('calls a file of %s blocks type %i', async (type, id) => {
    const { parsed } = await exported(await made(tinyLlamaConfig(), block(type)))
    expect(settings(parsed)['general.file_type']).toBe(id)
  })

  it('names tensors as llama.cpp does, vectors F32, other floats F16, a tied head left out', async () => {
    const { parsed } = await exported(await made(tinyLlamaConfig(), block('Q4_0')))
    const first = parsed.tensors.filter((tensor) => !tensor.name.startsWith('blk.1')).map((tensor) => `${tensor.name} ${tensor.type}`)
    expect(first).toEqual([
      'token_embd.weight F16',
      'blk.0.attn_norm.weight F32',
      'blk.0.ffn_norm.weight F32',
      'blk.0.attn_q.weight Q4_0',
      'blk.0.attn_k.weight Q4_0',
      'blk.0.attn_v.weight Q4_0',
      'blk.0.attn_output.weight Q4_0',
      'blk.0.ffn_gate.weight Q4_0',
      'blk.0.ffn_up.weight Q4_0',
      'blk.0.ffn_down.weight Q4_0',
      'output_norm.weight F32',
    ])
    expect(parsed.tensors.find((tensor) => tensor.name === 'blk.0.ffn_down.weight')?.shape).toEqual([64, 96])
  })

  it('writes a head of its own, and a quantized embedding', async () => {
    const encodingOf = (spec: TensorSpec): TensorEncoding => ({ encoding: 'ggml', type: spec.name.includes('embed') ? 'Q8_0' : 'Q4_1' })
    const { parsed, bytes, verify } = await exported(await made(tinyLlamaConfig({ tie_word_embeddings: false }), encodingOf))
    const types = Object.fromEntries(parsed.tensors.map((tensor) => [tensor.name, tensor.type]))
    expect(types).toMatchObject({ 'token_embd.weight': 'Q8_0', 'output.weight': 'Q4_1' })
    await verify(bytes)
  })

  it('interleaves the rows of q and k within each head, biases too, for the llama architecture', async () => {
    const numbered = ({ shape: [rows = 0, columns = 1] }: TensorSpec) =>
      Float32Array.from({ length: rows * columns }, (_, index) => Math.floor(index / columns))
    const source = await made(tinyLlamaConfig({ attention_bias: true }), asSource, { values: numbered })
    const file = await exported(source)
    const rowsOf = (name: string) => {
      const { floats, shape } = tensorOf(file, name)
      const columns = shape.length > 1 ? (shape.at(-1) ?? 1) : 1
      return Array.from({ length: floats.length / columns }, (_, row) => floats[row * columns])
    }
    // Heads of 16 rows: 0, 8, 1, 9, ... then 16, 24, 17, ...
    const interleaved = (rows: number) =>
      Array.from({ length: rows }, (_, row) => Math.floor(row / 16) * 16 + (row % 2) * 8 + Math.floor((row % 16) / 2))
    expect(rowsOf('blk.0.attn_q.weight')).toEqual(interleaved(64))
    expect(rowsOf('blk.0.attn_k.weight')).toEqual(interleaved(32))
    expect(rowsOf('blk.1.attn_q.bias')).toEqual(interleaved(64))
    expect(rowsOf('blk.0.attn_v.weight')).toEqual(Array.from({ length: 32 }, (_, row) => row))
    expect(rowsOf('blk.0.attn_output.bias')).toEqual(Array.from({ length: 64 }, (_, row) => row))
    await file.verify(file.bytes)
  })

  it('leaves rows in order for qwen2, and keeps its biases', async () => {
    const qwen = tinyLlamaConfig({ architectures: ['Qwen2ForCausalLM'], model_type: 'qwen2' })
    const source = await made(qwen, block('Q8_0'), { tokenizerFiles: byteLevelFiles(), dtype: 'BF16' })
    const file = await exported(source)
    expect(settings(file.parsed)).toMatchObject({ 'general.architecture': 'qwen2', 'qwen2.block_count': 2, 'tokenizer.ggml.model': 'gpt2' })
    const bias = await source.checkpoint.readFloat('model.layers.0.self_attn.q_proj.bias')
    expect(tensorOf(file, 'blk.0.attn_q.bias').floats).toEqual(bias)
    const stored = await wholeOf(source, 'model.layers.0.self_attn.q_proj.weight')
    expect(stored.encoding === 'ggml' && tensorOf(file, 'blk.0.attn_q.weight').data).toEqual(stored.encoding === 'ggml' && stored.blocks)
    await file.verify(file.bytes)
  })

  it('writes llama3 scaling as divisors of the frequencies', async () => {
    const rope_scaling = { rope_type: 'llama3', factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 64 }
    const file = await exported(await made(tinyLlamaConfig({ rope_scaling, rope_theta: 500_000 }), asSource))
    const { floats } = tensorOf(file, 'rope_freqs.weight')
    // Independent of the code: wavelengths of theta^(-2i/16), bounds 64/4 and 64/1.
    const wanted = Array.from({ length: 8 }, (_, i) => {
      const wavelength = (2 * Math.PI) / 500_000 ** (-i / 8)
      if (wavelength < 16) return 1
      if (wavelength > 64) return 8
      const smooth = (64 / wavelength - 1) / 3
      return Math.fround(1 / ((1 - smooth) / 8 + smooth))
    })
    expect([...floats].map((value, i) => value / (wanted[i] ?? 0))).toEqual(wanted.map(() => expect.closeTo(1, 6) as number))
    expect(new Set(wanted).size).toBeGreaterThan(2)
    await file.verify(file.bytes)
  })

  it('writes linear scaling as settings', async () => {
    const { parsed } = await exported(await made(tinyLlamaConfig({ rope_scaling: { type: 'linear', factor: 2 } }), asSource))
    expect(settings(parsed)).toMatchObject({ 'llama.rope.scaling.type': 'linear', 'llama.rope.scaling.factor': 2 })
    expect(parsed.tensors.some((tensor) => tensor.name === 'rope_freqs.weight')).toBe(false)
  })

  it('names the tensors that stay F16, by their width', async () => {
    const encodingOf = ({ name, shape }: TensorSpec): TensorEncoding =>
      name.startsWith('model.layers') ? { encoding: 'ggml', type: (shape.at(-1) ?? 0) % 32 === 0 ? 'Q4_0' : 'F16' } : { encoding: 'source' }
    const source = await made(tinyLlamaConfig({ intermediate_size: 100 }), encodingOf)
    expect(gguf.supports(source)).toBe(true)
    expect(gguf.notes(source)).toEqual(['2 tensors stay F16: rows of 100 are not a multiple of 32.'])
    expect(gguf.notes(await made(tinyLlamaConfig(), block('Q4_0')))).toEqual([])
  })

  it('knows the same block sizes as the container', () => {
    for (const name of Object.keys(ggmlTypes) as GgmlType[]) expect(ggmlTypes[name]).toMatchObject(tensorTypes[name])
  })
})

describe('GGUF in parts', () => {
  it('cuts at tensors, numbers every part, and gives the first the settings', async () => {
    const whole = await made(tinyLlamaConfig(), block('Q4_0'))
    const maxFileBytes = 20_000
    const source = { ...whole, options: { maxFileBytes, device: null } }
    const files = gguf.layout(source)
    expect(files.length).toBeGreaterThan(2)
    const names: string[] = []
    for (const [index, file] of files.entries()) {
      expect(file.path).toMatch(new RegExp(`-0000${index + 1}-of-0000${files.length}\\.gguf$`))
      const bytes = await bytesOf(file, source)
      expect(bytes.length).toBe(file.sizeBytes)
      const parsed = await readGguf(memorySource(file.path, bytes))
      expect(settings(parsed)).toMatchObject({ 'split.no': index, 'split.count': files.length })
      expect('general.architecture' in settings(parsed)).toBe(index === 0)
      const data = parsed.tensors.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
      expect(data <= maxFileBytes || parsed.tensors.length === 1).toBe(true)
      names.push(...parsed.tensors.map(({ name }) => name))
      await file.verify?.(source, memorySource(file.path, bytes), { kernels })
      const flipped = bytes.slice()
      const last = parsed.tensors.at(-1)
      const position = (last?.offset ?? 0) + 1
      flipped[position] = 255 - (flipped[position] ?? 0)
      await expect(file.verify?.(source, memorySource(file.path, flipped), { kernels })).rejects.toThrow(last?.name)
    }
    expect(names).toEqual((await exported(whole)).parsed.tensors.map(({ name }) => name))
    const first = await readGguf(memorySource('first', await bytesOf(at(files, 0), source)))
    expect(settings(first)['split.tensors.count']).toBe(names.length)
  })
})

describe('GGUF refusals', () => {
  it.each([
    [
      { bits: 4, isSymmetric: true, group: 128 },
      /affine codes in free groups of 128, which model\.embed_tokens\.weight.*take Q4_0 or Q4_K\./,
    ],
    [{ bits: 8, isSymmetric: false, group: 'row' }, /one scale a row.*take Q8_0 or Q5_K\./],
  ] as const)('refuses affine %o from headers, with what to take instead', async (grid, message) => {
    const source = await made(tinyLlamaConfig(), () => ({ encoding: 'affine', ...grid }))
    expect(gguf.supports(source)).toMatch(message)
  })

  it.each([
    [
      { encoding: 'real-affine', levels: 16, isSymmetric: false, group: 64 },
      /is in affine codes of 16 values in groups of 64 with fractional/,
    ],
    [{ encoding: 'real-affine', levels: 3, isSymmetric: true, group: 'row' }, /is in affine codes of 3 values with one scale a row\./],
    [{ encoding: 'k-means', bits: 4, group: 'row' }, /is in codes of 4 bits into a table of values for each row\./],
  ] as const)('refuses %o, with what to take instead', async (encoding, message) => {
    const source = await made(tinyLlamaConfig(), () => encoding)
    expect(gguf.supports(source)).toMatch(message)
    expect(gguf.supports(source)).toMatch(/take a recipe such as Q4_K/)
  })

  it.each<[TensorEncoding, RegExp]>([
    [
      { encoding: 'codebook', book: 'nf4', blockSize: 64, isNested: true },
      /NF4 values in blocks of 64, double quantized\. .* such as Q4_K/,
    ],
    [{ encoding: 'int8-rows' }, /int8 codes with one scale a row/],
  ])('refuses %o', async (encoding, message) => {
    expect(gguf.supports(await made(tinyLlamaConfig(), () => encoding))).toMatch(message)
  })

  it('refuses rows that blocks do not divide', async () => {
    const source = await made(tinyLlamaConfig({ intermediate_size: 100 }), block('F16'))
    const encodings = new Map(source.encodings).set('model.layers.0.mlp.down_proj.weight', { encoding: 'ggml', type: 'Q8_0' })
    expect(gguf.supports({ ...source, encodings })).toMatch(/Rows of model\.layers\.0\.mlp\.down_proj\.weight/)
  })

  it('refuses a tokenizer without a form in GGUF, and lays nothing out', async () => {
    const tokenizerFiles = byteLevelFiles({ type: 'Whitespace' })
    const source = await made(tinyLlamaConfig(), block('Q8_0'), { tokenizerFiles })
    expect(gguf.supports(source)).toMatch(/how this tokenizer cuts text/)
    expect(() => gguf.layout(source)).toThrow(/how this tokenizer cuts text/)
  })

  it('refuses llama3 scaling in an architecture that has no divisors', async () => {
    const rope_scaling = { rope_type: 'llama3', factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 64 }
    const source = await made(tinyLlamaConfig({ architectures: ['Qwen2ForCausalLM'], model_type: 'qwen2', rope_scaling }), block('Q8_0'))
    expect(gguf.supports(source)).toMatch(/does not scale positions as Llama 3/)
  })

  it('refuses roles it has no name for', async () => {
    const source = await made(tinyLlamaConfig(), block('Q8_0'))
    const { graph } = source
    const blocks = graph.blocks.map((each) => ({ ...each, norms: { ...each.norms, qNorm: graph.finalNorm } }))
    expect(gguf.supports({ ...source, graph: { ...graph, blocks } })).toMatch(/parts of the model: qNorm/)
  })

  it('stops at a value that half precision cannot hold, naming the tensor', async () => {
    const values = ({ name, shape }: TensorSpec) =>
      new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(name === 'model.embed_tokens.weight' ? 70_000 : 0.5)
    const source = await made(tinyLlamaConfig(), block('Q8_0'), { values })
    const [file] = gguf.layout(source)
    if (file === undefined) throw new Error('no file')
    await expect(bytesOf(file, source)).rejects.toMatchObject({
      code: 'export-refused',
      message: expect.stringMatching(/model\.embed_tokens\.weight holds 70000/) as string,
    })
  })

  it('stops when storage holds another encoding than the recipe says', async () => {
    const source = await made(tinyLlamaConfig(), block('Q8_0'))
    const affine = await made(tinyLlamaConfig(), () => ({ encoding: 'affine', bits: 4, isSymmetric: true, group: 32 }))
    const [file] = gguf.layout(source)
    if (file === undefined) throw new Error('no file')
    await expect(bytesOf(file, { ...source, readTiles: (name) => affine.readTiles(name) })).rejects.toMatchObject({
      code: 'storage-fault',
    })
  })
})

describe('GGUF proof', () => {
  it('finds one wrong byte in any tensor and in any setting', async () => {
    const { parsed, bytes, verify } = await exported(
      await made(tinyLlamaConfig({ num_hidden_layers: 1, attention_bias: true }), block('Q4_1')),
    )
    for (const { name, offset, sizeBytes } of parsed.tensors) {
      const broken = bytes.slice()
      const at = offset + Math.floor(sizeBytes / 2)
      broken[at] = 255 - (broken[at] ?? 0)
      const attempt = verify(broken)
      await expect(attempt, name).rejects.toMatchObject({ code: 'proof-failed' })
      await expect(attempt).rejects.toThrow(`Tensor ${name} differs`)
    }
    for (let at = 30; at < parsed.dataStart; at += 997) {
      const broken = bytes.slice()
      broken[at] = 255 - (broken[at] ?? 0)
      await expect(verify(broken), `byte ${at}`).rejects.toMatchObject({ code: 'proof-failed' })
    }
  })
})
