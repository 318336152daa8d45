import { describe, expect, it } from 'vitest'
import { createReferenceKernels } from '../../kernels/reference/index.ts'
import type { RawConfig } from '../../models/family.ts'
import type { TensorSpec } from '../../models/model-graph.ts'
import { nestScales, restoreScales } from '../../quantization/nested-scales.ts'
import type { TensorEncoding } from '../../quantization/quantized-tensor.ts'
import { bytesOfFile, fileNamed, proveFlipped, quantizationOf, tensorForms, writeAndProve } from '../../testing/export-files.ts'
import { madeCheckpoint, madeExportSource } from '../../testing/export-source.ts'
import { packedBytes, readBack } from '../../testing/packed-form.ts'
import { tinyLlamaConfig } from '../../testing/tiny-llama.ts'
import { sentencePieceFiles } from '../../testing/tokenizer-files.ts'
import { codeBookForm, int8Form } from '../bitsandbytes/forms.ts'
import bitsandbytes from './bitsandbytes.ts'

const kernels = createReferenceKernels()

const linears =
  (encoding: TensorEncoding) =>
  ({ name }: TensorSpec): TensorEncoding =>
    name.startsWith('model.layers') ? encoding : { encoding: 'source' }

const codeBook = (book: 'nf4' | 'fp4' | 'log2', isNested: boolean, blockSize = 64) =>
  ({ encoding: 'codebook', book, blockSize, isNested }) as const
const int8 = { encoding: 'int8-rows' } as const

function made(config: RawConfig, encodingOf: (spec: TensorSpec) => TensorEncoding) {
  const checkpoint = madeCheckpoint({ rawConfig: config, tokenizerFiles: sentencePieceFiles(), dtype: 'BF16' })
  return madeExportSource(checkpoint, kernels, encodingOf, 'nf4')
}

const hex = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? new Uint8Array()).toString('hex')
const text = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes)

describe('bitsandbytes packing', () => {
  const spec = { name: 'p.weight', shape: [8, 8] }
  const data = Float32Array.from({ length: 64 }, (_, i) => (i - 32) / 16)

  it.each([
    ['nf4', '000001111111122222333344455566677788999aaabbbccccddddeeeeeeeffff'],
    ['fp4', 'bbbbbbaaaaaaaadddddccccfffeeee9901166667774444555552222222233333'],
  ] as const)('writes the published bytes of %s and the settings beside them', async (book, codes) => {
    const encoding = codeBook(book, false)
    const tensor = await kernels.quantizeCodeBook({ rows: 8, columns: 8, data }, encoding)
    const parts = await packedBytes(codeBookForm(spec, encoding), {
      name: 'p.weight',
      rows: 8,
      columns: 8,
      encoding: 'codebook',
      codeBook: tensor,
      nested: null,
    })
    expect(hex(parts.get('p.weight'))).toBe(codes)
    expect(hex(parts.get('p.weight.absmax'))).toBe('00000040')
    expect(parts.get('p.weight.quant_map')?.length).toBe(64)
    expect(text(parts.get(`p.weight.quant_state.bitsandbytes__${book}`))).toBe(
      `{"quant_type": "${book}", "blocksize": 64, "dtype": "float32", "shape": [8, 8]}`,
    )
  })

  it('writes nested scales as published, with an offset whose length does not depend on its digits', async () => {
    const encoding = codeBook('nf4', true)
    const nested = nestScales(Float32Array.of(0.5, 0.75, 1, 2))
    const rows = { rows: 4, columns: 64 }
    const tensor = { ...rows, book: 'nf4', blockSize: 64, codes: new Uint8Array(128), scales: restoreScales(nested) } as const
    const form = codeBookForm({ name: 'p.weight', shape: [4, 64] }, encoding)
    const parts = await packedBytes(form, { name: 'p.weight', ...rows, encoding: 'codebook', codeBook: tensor, nested })
    expect([...(parts.get('p.weight.absmax') ?? [])]).toEqual([28, 47, 75, 255])
    expect(parts.get('p.weight.nested_quant_map')?.length).toBe(1024)
    expect(hex(parts.get('p.weight.nested_absmax'))).toBe('0000703f')
    const state = text(parts.get('p.weight.quant_state.bitsandbytes__nf4'))
    expect(JSON.parse(state)).toEqual({
      quant_type: 'nf4',
      blocksize: 64,
      dtype: 'float32',
      shape: [4, 64],
      nested_blocksize: 256,
      nested_dtype: 'float32',
      nested_offset: 1.0625,
    })
    expect(state.length).toBe(form.specs.find(({ name }) => name.includes('quant_state'))?.shape[0])
  })

  it.each([
    [codeBook('nf4', false), 24, 96],
    [codeBook('fp4', false, 128), 24, 96],
    [codeBook('nf4', true), 24, 96],
    // An odd number of weights and a short last block.
    [codeBook('nf4', false), 5, 21],
  ])('gives back the dequantized weights exactly: %o, %i x %i', async (encoding, rows, columns) => {
    const values = Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(i * 1.7) - 0.3)
    const plain = await kernels.quantizeCodeBook({ rows, columns, data: values }, encoding)
    const nested = encoding.isNested ? nestScales(plain.scales) : null
    const tensor = nested === null ? plain : { ...plain, scales: restoreScales(nested) }
    const form = codeBookForm({ name: 'p.weight', shape: [rows, columns] }, encoding)
    const decode = await readBack(form, { name: 'p.weight', rows, columns, encoding: 'codebook', codeBook: tensor, nested })
    const wanted = await kernels.dequantizeCodeBook(tensor)
    expect(await decode({ rowStart: 0, rowEnd: rows })).toEqual(wanted)
    expect(await decode({ rowStart: 3, rowEnd: 5 })).toEqual(wanted.slice(3 * columns, 5 * columns))
  })

  it('gives back int8 rows exactly', async () => {
    const [rows, columns] = [6, 40]
    const values = Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(i * 1.7) - 0.3)
    const tensor = await kernels.quantizeInt8Rows({ rows, columns, data: values })
    const form = int8Form({ name: 'p.weight', shape: [rows, columns] })
    const decode = await readBack(form, { name: 'p.weight', rows, columns, encoding: 'int8-rows', int8Rows: tensor })
    expect(await decode({ rowStart: 1, rowEnd: 5 })).toEqual((await kernels.dequantizeInt8Rows(tensor)).slice(columns, 5 * columns))
  })
})

describe('bitsandbytes export', () => {
  it.each([[codeBook('nf4', false)], [codeBook('nf4', true)], [codeBook('fp4', false, 4096)], [int8]])(
    'proves itself, and finds one wrong byte in any tensor: %o',
    async (encoding) => {
      const source = await made(tinyLlamaConfig({ intermediate_size: 100, num_hidden_layers: 1 }), linears(encoding))
      expect(bitsandbytes.supports(source)).toBe(true)
      await writeAndProve(bitsandbytes, source, kernels)
      for (const [name, verdict] of await proveFlipped(bitsandbytes, source, kernels)) {
        // No code of these few weights names the middle of the map; the checksum of the file is what finds it.
        if (!name.endsWith('nested_quant_map')) expect(verdict, name).toMatchObject({ code: 'proof-failed' })
      }
    },
  )

  it('names its tensors as Linear4bit does, and says so in the config', async () => {
    const source = await made(tinyLlamaConfig(), linears(codeBook('nf4', true)))
    const forms = await tensorForms(bitsandbytes, source)
    expect(forms).toMatchObject({
      'model.layers.0.self_attn.k_proj.weight': 'U8 1024x1',
      'model.layers.0.self_attn.k_proj.weight.absmax': 'U8 32',
      'model.layers.0.self_attn.k_proj.weight.quant_map': 'F32 16',
      'model.layers.0.self_attn.k_proj.weight.nested_absmax': 'F32 1',
      'model.layers.0.self_attn.k_proj.weight.nested_quant_map': 'F32 256',
      'model.embed_tokens.weight': 'BF16 320x64',
    })
    expect(await quantizationOf(bitsandbytes, source)).toMatchObject({
      quant_method: 'bitsandbytes',
      load_in_4bit: true,
      load_in_8bit: false,
      bnb_4bit_quant_type: 'nf4',
      bnb_4bit_use_double_quant: true,
      llm_int8_skip_modules: ['lm_head'],
    })
  })

  it('names its tensors as Linear8bitLt does, with the threshold of the recipe', async () => {
    const source = await made(tinyLlamaConfig(), linears(int8))
    expect(await tensorForms(bitsandbytes, source)).toMatchObject({
      'model.layers.0.self_attn.k_proj.weight': 'I8 32x64',
      'model.layers.0.self_attn.k_proj.SCB': 'F32 32',
      'model.layers.0.self_attn.k_proj.weight_format': 'U8 ',
    })
    const threshold = async (outlierThreshold: number | null) => {
      const inputModes = new Map([['model.layers.0.self_attn.k_proj.weight', { kind: 'int8-rows', outlierThreshold } as const]])
      return (await quantizationOf(bitsandbytes, { ...source, inputModes }))['llm_int8_threshold']
    }
    expect(await threshold(5)).toBe(5)
    expect(await threshold(null)).toBe(0)
    expect((await quantizationOf(bitsandbytes, source))['llm_int8_threshold']).toBe(6)
    const config = fileNamed(bitsandbytes.layout(source), 'config.json')
    // transformers refuses an integer here.
    expect(text(await bytesOfFile(config, source))).toContain('"llm_int8_threshold": 6.0,')
    expect(bitsandbytes.notes(source).join()).toMatch(/rounds the inputs of int8 linears to 8 bits too/)
  })

  it('leaves linears in float out, by name', async () => {
    const encodingOf = (spec: TensorSpec) => (spec.name.includes('o_proj') ? { encoding: 'source' as const } : linears(int8)(spec))
    const source = await made(tinyLlamaConfig({ tie_word_embeddings: false, num_hidden_layers: 1 }), encodingOf)
    expect((await quantizationOf(bitsandbytes, source))['llm_int8_skip_modules']).toEqual(['lm_head', 'model.layers.0.self_attn.o_proj'])
  })
})

describe('bitsandbytes refusals and notes', () => {
  it('says where its processor kernel misreads rows', async () => {
    const source = await made(tinyLlamaConfig({ intermediate_size: 100 }), linears(codeBook('nf4', false)))
    expect(bitsandbytes.notes(source)).toEqual([
      'Rows of 100 are no whole number of blocks of 64: bitsandbytes on a graphics card reads them, its processor kernel (0.50) does not.',
    ])
    expect(bitsandbytes.notes(await made(tinyLlamaConfig({ intermediate_size: 128 }), linears(codeBook('nf4', false))))).toEqual([])
  })

  it.each([
    [linears({ encoding: 'affine', bits: 4, group: 32, isSymmetric: true }), /holds NF4, FP4 and int8 rows, and .* such as nf4/],
    [linears(codeBook('log2', false)), /power-of-two values in blocks of 64/],
    [() => int8, /no packed embedding/],
    [linears({ encoding: 'source' }), /Nothing is quantized/],
    [
      (spec: TensorSpec) => linears(spec.name.includes('mlp') ? int8 : codeBook('nf4', false))(spec),
      /one kind of codes; this recipe has nf4 and int8-rows/,
    ],
  ] as const)('refuses with a reason: %s', async (encodingOf, message) => {
    expect(bitsandbytes.supports(await made(tinyLlamaConfig(), encodingOf))).toMatch(message)
  })
})
