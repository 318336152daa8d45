import { describe, expect, it } from 'vitest'
import { wordsIn } from '../../core/words.ts'
import { createReferenceKernels } from '../../kernels/reference/index.ts'
import { LineMemory } from '../../kernels/transpose/line-memory.ts'
import type { RawConfig } from '../../models/family.ts'
import type { TensorSpec } from '../../models/model-graph.ts'
import type { TensorEncoding } from '../../quantization/quantized-tensor.ts'
import { proveFlipped, quantizationOf, tensorForms, writeAndProve } from '../../testing/export-files.ts'
import { madeCheckpoint, madeExportSource } from '../../testing/export-source.ts'
import { readBack } from '../../testing/packed-form.ts'
import { tinyLlamaConfig } from '../../testing/tiny-llama.ts'
import { sentencePieceFiles } from '../../testing/tokenizer-files.ts'
import { awqForm } from '../awq/form.ts'
import { packedZeros } from '../awq/packing.ts'
import awq from './awq.ts'

const kernels = createReferenceKernels()

const affine =
  (bits: number, group: number | 'row' | 'tensor', isSymmetric: boolean) =>
  ({ name }: TensorSpec): TensorEncoding =>
    name.startsWith('model.layers') ? { encoding: 'affine', bits, group, isSymmetric } : { encoding: 'source' }

function made(config: RawConfig, encodingOf: (spec: TensorSpec) => TensorEncoding) {
  const checkpoint = madeCheckpoint({ rawConfig: config, tokenizerFiles: sentencePieceFiles(), dtype: 'BF16' })
  return madeExportSource(checkpoint, kernels, encodingOf, 'awq-4bit-g32')
}

describe('AWQ packing', () => {
  it('packs the codes 0 to 7 of eight outputs into the published word', () => {
    // One input with code i in output i; each row of one code is a byte.
    const tensor = {
      rows: 8,
      columns: 1,
      bits: 4,
      isSymmetric: false,
      group: 'row' as const,
      codes: Uint8Array.from({ length: 8 }, (_, i) => i),
      scales: new Float32Array(8).fill(1),
      zeroPoints: Uint8Array.from({ length: 8 }, (_, i) => i),
    }
    const memory = new LineMemory()
    for (const rows of [{ bytes: tensor.codes, rowBytes: 1 }, packedZeros(tensor)]) {
      const bytes = memory.take(4)
      memory.nibblesToLines(rows, 0, { bytes, lineBytes: 4, at: 0 })
      expect(wordsIn(bytes)[0]?.toString(16)).toBe('75316420')
    }
  })

  it.each([
    [16, true, 96],
    [32, false, 96],
    ['row', false, 96],
    ['tensor', false, 96],
    // Rows that are no whole words, and no whole bytes.
    ['row', false, 20],
    ['row', false, 21],
  ] as const)('gives back the dequantized weights exactly (group %s, symmetric %s, %i columns)', async (group, isSymmetric, columns) => {
    const rows = 24
    const data = Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(i * 1.7) - 0.3)
    const tensor = await kernels.quantizeAffine({ rows, columns, data }, { bits: 4, group, isSymmetric })
    const form = awqForm({ name: 'p.weight', shape: [rows, columns] }, { encoding: 'affine', bits: 4, group, isSymmetric })
    if (form === null) throw new Error('not packable')
    const decode = await readBack(form, { name: 'p.weight', rows, columns, encoding: 'affine', affine: tensor })
    const wanted = await kernels.dequantizeAffine(tensor)
    expect(await decode({ rowStart: 0, rowEnd: rows })).toEqual(wanted)
    expect(await decode({ rowStart: 5, rowEnd: 19 })).toEqual(wanted.slice(5 * columns, 19 * columns))
  })
})

describe('AWQ export', () => {
  it('proves itself at every setting, with the files of a folder on the Hub', async () => {
    for (const group of [16, 32, 'row', 'tensor'] as const) {
      for (const isSymmetric of [false, true]) {
        const source = await made(tinyLlamaConfig(), affine(4, group, isSymmetric))
        expect(awq.supports(source)).toBe(true)
        expect(await writeAndProve(awq, source, kernels)).toEqual([
          'model.safetensors',
          'config.json',
          'tokenizer.json',
          'tokenizer_config.json',
          'special_tokens_map.json',
          'generation_config.json',
        ])
      }
    }
  })

  it('packs each linear into three tensors and says how', async () => {
    const source = await made(tinyLlamaConfig(), affine(4, 32, false))
    const forms = await tensorForms(awq, source)
    expect(forms).toMatchObject({
      'model.layers.0.self_attn.k_proj.qweight': 'I32 64x4',
      'model.layers.0.self_attn.k_proj.qzeros': 'I32 2x4',
      'model.layers.0.self_attn.k_proj.scales': 'F16 2x32',
      'model.norm.weight': 'BF16 64',
    })
    expect(forms).not.toHaveProperty('model.layers.0.self_attn.k_proj.weight')
    expect(await quantizationOf(awq, source)).toEqual({
      quant_method: 'awq',
      bits: 4,
      group_size: 32,
      zero_point: true,
      version: 'gemm',
      modules_to_not_convert: ['lm_head'],
    })
  })

  it('leaves linears of other sizes and in float out, by name', async () => {
    const encodingOf = (spec: TensorSpec) => (spec.name.includes('o_proj') ? { encoding: 'source' as const } : affine(4, 32, true)(spec))
    const source = await made(tinyLlamaConfig({ intermediate_size: 100, num_hidden_layers: 1 }), encodingOf)
    expect(awq.notes(source)).toEqual([
      '3 linears are written as plain F32 weights with their quantized values: outputs must be a multiple of 8 and inputs whole groups, which 100 x 64, 64 x 100 is not.',
    ])
    expect((await quantizationOf(awq, source))['modules_to_not_convert']).toEqual([
      'lm_head',
      'model.layers.0.self_attn.o_proj',
      'model.layers.0.mlp.gate_proj',
      'model.layers.0.mlp.up_proj',
      'model.layers.0.mlp.down_proj',
    ])
    await writeAndProve(awq, source, kernels)
  })

  it('finds one wrong byte in any tensor', async () => {
    const source = await made(tinyLlamaConfig({ intermediate_size: 100, num_hidden_layers: 1 }), affine(4, 32, false))
    for (const [name, verdict] of await proveFlipped(awq, source, kernels)) {
      expect(verdict, name).toMatchObject({ code: 'proof-failed' })
    }
  })
})

describe('AWQ refusals and notes', () => {
  it.each([
    [affine(8, 32, true), /holds 4 bits; model.* has 8\. For this recipe take GPTQ v2/],
    [() => ({ encoding: 'ggml', type: 'Q4_0' }) as const, /is in Q4_0 blocks of 32\. .* such as awq-4bit-g128/],
    [() => ({ encoding: 'affine', bits: 4, group: 32, isSymmetric: true }) as const, /no packed embedding/],
    [() => ({ encoding: 'source' }) as const, /Nothing is quantized/],
  ] as const)('refuses with a reason: %s', async (encodingOf, message) => {
    expect(awq.supports(await made(tinyLlamaConfig(), encodingOf))).toMatch(message)
  })

  it('refuses two group sizes, a packed head, and a model without packable linears', async () => {
    const two = (spec: TensorSpec) => affine(4, spec.name.includes('mlp') ? 16 : 32, true)(spec)
    expect(awq.supports(await made(tinyLlamaConfig(), two))).toMatch(/one group size .* Groups of 32 and Groups of 16/)
    const head = (spec: TensorSpec): TensorEncoding =>
      spec.name === 'lm_head.weight' ? { encoding: 'affine', bits: 4, group: 32, isSymmetric: true } : affine(4, 32, true)(spec)
    expect(awq.supports(await made(tinyLlamaConfig({ tie_word_embeddings: false }), head))).toMatch(/Leave the head in float/)
    expect(awq.supports(await made(tinyLlamaConfig(), affine(4, 80, true)))).toMatch(/whole groups; none of this model are/)
  })

  it('says what few kernels read, and that inputs stay float', async () => {
    const source = await made(tinyLlamaConfig(), affine(4, 16, true))
    const inputModes = new Map([['model.layers.0.mlp.up_proj.weight', { kind: 'int8-rows', outlierThreshold: null } as const]])
    expect(awq.notes({ ...source, inputModes }).join('\n')).toMatch(
      /Groups of 16 are read by few kernels.*\n.*rounds the inputs of linears to 8 bits/,
    )
  })
})
