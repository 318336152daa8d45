import { describe, expect, it } from 'vitest'
import type { InputRounding } from '../../kernels/contract/activations.ts'
import { createReferenceKernels } from '../../kernels/reference/index.ts'
import type { RawConfig } from '../../models/family.ts'
import type { TensorSpec } from '../../models/model-graph.ts'
import type { TensorEncoding } from '../../quantization/quantized-tensor.ts'
import { proveFlipped, quantizationOf, tensorForms, writeAndProve } from '../../testing/export-files.ts'
import { madeCheckpoint, madeExportSource, wholeOf } from '../../testing/export-source.ts'
import { packedBytes, readBack } from '../../testing/packed-form.ts'
import { tinyLlamaConfig } from '../../testing/tiny-llama.ts'
import { sentencePieceFiles } from '../../testing/tokenizer-files.ts'
import { compressedForm } from '../compressed-tensors/form.ts'
import compressedTensors from './compressed-tensors.ts'

const kernels = createReferenceKernels()

const affine =
  (bits: number, group: number | 'row' | 'tensor', isSymmetric: boolean) =>
  ({ name }: TensorSpec): TensorEncoding =>
    name.startsWith('model.layers') ? { encoding: 'affine', bits, group, isSymmetric } : { encoding: 'source' }

const perToken = { kind: 'int8-rows', outlierThreshold: null } as const
const fixed = { kind: 'int8-tensor', scale: 0.03125 } as const

async function made(config: RawConfig, encodingOf: (spec: TensorSpec) => TensorEncoding, mode?: InputRounding) {
  const checkpoint = madeCheckpoint({ rawConfig: config, tokenizerFiles: sentencePieceFiles(), dtype: 'BF16' })
  const source = await madeExportSource(checkpoint, kernels, encodingOf, 'w4a16')
  if (mode === undefined) return source
  const names = checkpoint.graph.blocks.flatMap((block) => block.linears.map(({ weight }) => weight))
  return { ...source, inputModes: new Map(names.map((name) => [name, mode])) }
}

describe('compressed-tensors packing', () => {
  it('packs codes -8 to 7 into the published words', async () => {
    const row = Uint8Array.from({ length: 16 }, (_, i) => ((2 * i) % 16) + 16 * ((2 * i + 1) % 16))
    const encoding = { encoding: 'affine', bits: 4, group: 'row', isSymmetric: true } as const
    const tensor = {
      rows: 1,
      columns: 32,
      bits: 4,
      isSymmetric: true,
      group: 'row' as const,
      codes: row,
      scales: Float32Array.of(1),
      zeroPoints: Uint8Array.of(8),
    }
    const form = compressedForm({ name: 'p.weight', shape: [1, 32] }, encoding, undefined)
    if (form === null) throw new Error('not packable')
    const parts = await packedBytes(form, { name: 'p.weight', rows: 1, columns: 32, encoding: 'affine', affine: tensor })
    const words = new Uint32Array(parts.get('p.weight_packed')?.buffer ?? new ArrayBuffer(0))
    expect([...words].map((word) => word.toString(16))).toEqual(['76543210', 'fedcba98', '76543210', 'fedcba98'])
    expect([...new BigInt64Array(parts.get('p.weight_shape')?.buffer ?? new ArrayBuffer(0))]).toEqual([1n, 32n])
    const int8 = compressedForm({ name: 'p.weight', shape: [1, 32] }, encoding, perToken)
    if (int8 === null) throw new Error('not packable')
    const signed = await packedBytes(int8, { name: 'p.weight', rows: 1, columns: 32, encoding: 'affine', affine: tensor })
    expect([...new Int8Array(signed.get('p.weight')?.buffer ?? new ArrayBuffer(0))].slice(0, 4)).toEqual([-8, -7, -6, -5])
  })

  it.each([
    [4, 16, false, undefined],
    [4, 'row', true, undefined],
    [8, 'tensor', false, undefined],
    [8, 32, true, undefined],
    [8, 'row', true, perToken],
    [8, 'row', false, fixed],
    [4, 32, false, perToken],
  ] as const)(
    'gives back the dequantized weights exactly: %i bits, group %s, symmetric %s, inputs %o',
    async (bits, group, isSymmetric, mode) => {
      // Rows that are no whole number of words.
      const [rows, columns] = [11, 96]
      const data = Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(i * 1.7) - 0.3)
      const tensor = await kernels.quantizeAffine({ rows, columns, data }, { bits, group, isSymmetric })
      const form = compressedForm({ name: 'p.weight', shape: [rows, columns] }, { encoding: 'affine', bits, group, isSymmetric }, mode)
      if (form === null) throw new Error('not packable')
      const decode = await readBack(form, { name: 'p.weight', rows, columns, encoding: 'affine', affine: tensor })
      const wanted = await kernels.dequantizeAffine(tensor)
      expect(await decode({ rowStart: 0, rowEnd: rows })).toEqual(wanted)
      expect(await decode({ rowStart: 5, rowEnd: 9 })).toEqual(wanted.slice(5 * columns, 9 * columns))
    },
  )
})

describe('compressed-tensors export', () => {
  it.each([
    [4, 32, true, undefined],
    [4, 16, false, undefined],
    [8, 'row', false, undefined],
    [8, 'row', true, perToken],
    [8, 'row', false, fixed],
  ] as const)(
    'proves itself, and finds one wrong byte in any tensor of weights: %i bits, %s, %s, %o',
    async (bits, group, isSymmetric, mode) => {
      const source = await made(tinyLlamaConfig({ intermediate_size: 100, num_hidden_layers: 1 }), affine(bits, group, isSymmetric), mode)
      expect(compressedTensors.supports(source)).toBe(true)
      await writeAndProve(compressedTensors, source, kernels)
      for (const [name, verdict] of await proveFlipped(compressedTensors, source, kernels)) {
        if (!name.endsWith('input_scale')) expect(verdict, name).toMatchObject({ code: 'proof-failed' })
      }
    },
  )

  it('writes W4A16 as llm-compressor does', async () => {
    const source = await made(tinyLlamaConfig(), affine(4, 32, false))
    expect(await tensorForms(compressedTensors, source)).toMatchObject({
      'model.layers.0.self_attn.k_proj.weight_packed': 'I32 32x8',
      'model.layers.0.self_attn.k_proj.weight_scale': 'F16 32x2',
      'model.layers.0.self_attn.k_proj.weight_zero_point': 'I32 4x2',
      'model.layers.0.self_attn.k_proj.weight_shape': 'I64 2',
    })
    expect(await quantizationOf(compressedTensors, source)).toMatchObject({
      quant_method: 'compressed-tensors',
      format: 'pack-quantized',
      ignore: ['lm_head'],
      config_groups: {
        group_0: {
          targets: ['Linear'],
          weights: { num_bits: 4, type: 'int', symmetric: false, strategy: 'group', group_size: 32, dynamic: false },
          input_activations: null,
        },
      },
    })
  })

  it('writes W8A8 with dynamic inputs, and with the fixed scales of calibration', async () => {
    const dynamic = await made(tinyLlamaConfig(), affine(8, 'row', true), perToken)
    const forms = await tensorForms(compressedTensors, dynamic)
    expect(forms).toMatchObject({
      'model.layers.0.self_attn.k_proj.weight': 'I8 32x64',
      'model.layers.0.self_attn.k_proj.weight_scale': 'F16 32x1',
    })
    expect(forms).not.toHaveProperty('model.layers.0.self_attn.k_proj.input_scale')
    expect(await quantizationOf(compressedTensors, dynamic)).toMatchObject({
      format: 'int-quantized',
      config_groups: { group_0: { weights: { strategy: 'channel' }, input_activations: { strategy: 'token', dynamic: true } } },
    })
    const statically = await made(tinyLlamaConfig(), affine(8, 'row', true), fixed)
    expect(await tensorForms(compressedTensors, statically)).toHaveProperty('model.layers.0.self_attn.k_proj.input_scale', 'F32 1')
    expect(await quantizationOf(compressedTensors, statically)).toMatchObject({
      config_groups: { group_0: { input_activations: { strategy: 'tensor', dynamic: false } } },
    })
    const spec = { name: 'p.weight', shape: [32, 64] }
    const form = compressedForm(spec, { encoding: 'affine', bits: 8, group: 'row', isSymmetric: true }, fixed)
    const stored = await wholeOf(statically, 'model.layers.0.self_attn.k_proj.weight')
    const bytes = form === null ? undefined : (await packedBytes(form, stored)).get('p.input_scale')
    expect(new Float32Array(bytes?.buffer ?? new ArrayBuffer(0))).toEqual(Float32Array.of(0.03125))
  })

  it('lists linears by scheme where they differ, a packed head too', async () => {
    const encodingOf = (spec: TensorSpec): TensorEncoding => {
      if (spec.name === 'lm_head.weight') return { encoding: 'affine', bits: 8, group: 'row', isSymmetric: true }
      return spec.name.includes('o_proj') ? { encoding: 'source' } : affine(4, 32, true)(spec)
    }
    const source = await made(tinyLlamaConfig({ tie_word_embeddings: false, num_hidden_layers: 1 }), encodingOf)
    expect(await quantizationOf(compressedTensors, source)).toMatchObject({
      ignore: ['model.layers.0.self_attn.o_proj'],
      config_groups: {
        group_0: { weights: { num_bits: 4 } },
        group_1: { targets: ['lm_head'], weights: { num_bits: 8, strategy: 'channel' } },
      },
    })
    await writeAndProve(compressedTensors, source, kernels)
    const mixed = { ...source, inputModes: new Map([['model.layers.0.mlp.up_proj.weight', perToken]]) }
    expect(await quantizationOf(compressedTensors, mixed)).toMatchObject({
      format: 'mixed-precision',
      config_groups: { group_1: { targets: ['model.layers.0.mlp.up_proj'], format: 'int-quantized' } },
    })
  })
})

describe('compressed-tensors refusals and notes', () => {
  it.each([
    [affine(3, 32, true), /know 4 and 8 bits; model.* has 3\. GPTQ v2/],
    [() => ({ encoding: 'int8-rows' }) as const, /holds affine integers, and .* such as nearest-4bit-g128-sym or smoothquant-w8a8/],
    [affine(4, 80, true), /no quantized linear of this model has them/],
    [() => ({ encoding: 'affine', bits: 4, group: 32, isSymmetric: true }) as const, /no packed embedding/],
    [() => ({ encoding: 'source' }) as const, /Nothing is quantized/],
  ] as const)('refuses with a reason: %s', async (encodingOf, message) => {
    expect(compressedTensors.supports(await made(tinyLlamaConfig(), encodingOf))).toMatch(message)
  })

  it('refuses inputs with float columns', async () => {
    const source = await made(tinyLlamaConfig(), affine(8, 'row', true), { kind: 'int8-rows', outlierThreshold: 6 })
    expect(compressedTensors.supports(source)).toMatch(/no columns that stay float.*smoothquant-w8a8/)
  })

  it('hands on floats where the recipe has outputs in 8 bits, and says so', async () => {
    const source = await made(tinyLlamaConfig(), affine(8, 'row', true), { ...fixed, outputScale: 0.1 })
    expect(compressedTensors.supports(source)).toBe(true)
    expect(compressedTensors.notes(source).join(' ')).toMatch(/outputs of linears.*hand on floats/)
    expect(compressedTensors.notes(await made(tinyLlamaConfig(), affine(8, 'row', true), fixed)).join(' ')).not.toMatch(/hand on floats/)
  })

  it('says what is written plainly, what few kernels read and how inputs are rounded', async () => {
    const source = await made(tinyLlamaConfig({ intermediate_size: 100, num_hidden_layers: 1 }), affine(4, 16, true), perToken)
    expect(compressedTensors.notes(source).join('\n')).toMatch(
      /1 linear is written as plain F32 .*rows of 100 are not whole groups.*\nGroups of 16.*\n.*as vLLM does/,
    )
  })
})
