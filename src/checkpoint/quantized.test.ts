import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import type { ByteSource } from '../io/byte-source.ts'
import { memorySource } from '../io/memory-source.ts'
import { countingSource } from '../testing/counting-source.ts'
import { faultOf } from '../testing/fault-of.ts'
import { tinyModelFiles } from '../testing/tiny-model.ts'
import { openCheckpoint } from './open.ts'

const golden = fileURLToPath(new URL('./golden/', import.meta.url))
const cases = readdirSync(golden, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []))

/** A golden folder, with a tokenizer of as many tokens as its model has. */
function filesOf(name: string, change: (file: string, bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer> = (_, bytes) => bytes) {
  const tokenizer = tinyModelFiles().get('tokenizer.json') ?? new Uint8Array()
  const files = new Map<string, ByteSource>([['tokenizer.json', memorySource('tokenizer.json', tokenizer)]])
  for (const file of ['config.json', 'model.safetensors']) {
    files.set(file, memorySource(file, change(file, new Uint8Array(readFileSync(`${golden}${name}/${file}`)))))
  }
  return files
}

const open = (files: ReadonlyMap<string, ByteSource>) => openCheckpoint({ name: 'quantized', originKind: 'files', files })

const valuesOf = (name: string) =>
  JSON.parse(readFileSync(`${golden}${name}/values.json`, 'utf8')) as Record<
    string,
    { readonly sha256: string; readonly first: readonly number[] }
  >

/** The file with some text of its header, or of config.json, replaced by another of the same length. */
const replacing = (file: string, from: string, to: string) => (name: string, bytes: Uint8Array<ArrayBuffer>) => {
  if (name !== file) return bytes
  const text = Buffer.from(bytes).toString('latin1')
  if (!text.includes(from)) throw new Error(`${file} has no ${from}`)
  return new Uint8Array(Buffer.from(text.replace(from, to), 'latin1'))
}

describe('opening quantized checkpoints', () => {
  it('has cases of every form', () => {
    expect(cases.length).toBe(10)
  })

  it.each(cases)('reads the values of %s as its tool dequantizes them', async (name) => {
    const checkpoint = await open(filesOf(name))
    const values = Object.entries(valuesOf(name))
    expect(values.length).toBe(7)
    for (const [tensor, { sha256, first }] of values) {
      const read = await checkpoint.readFloat(tensor)
      expect([...read.subarray(0, 4)], tensor).toEqual(first.map(Math.fround))
      const bytes = await checkpoint.readRaw(tensor)
      expect(createHash('sha256').update(bytes).digest('hex'), tensor).toBe(sha256)
      const columns = checkpoint.tensors.get(tensor)?.shape[1] ?? 0
      expect(await checkpoint.readFloat(tensor, { rowStart: 5, rowEnd: 20 })).toEqual(read.slice(5 * columns, 20 * columns))
    }
  })

  it.each(cases)('describes %s as the model that its codes stand for', async (name) => {
    const checkpoint = await open(filesOf(name))
    expect(checkpoint.tensors.get('model.layers.0.mlp.up_proj.weight')).toEqual({
      name: 'model.layers.0.mlp.up_proj.weight',
      dtype: 'F32',
      shape: [64, 32],
      sizeBytes: 4 * 64 * 32,
    })
    expect(checkpoint.parameters).toBe(32 * 32 + 3 * 32 + 4 * 32 * 32 + 3 * 64 * 32)
    expect(checkpoint.sourceBytes).toBeLessThan(4 * checkpoint.parameters)
    expect(checkpoint.rawConfig).not.toHaveProperty('quantization_config')
    expect(checkpoint.notes.join('\n')).toMatch(/^7 matrices are stored in the .* form: what the studio starts from/)
    expect(checkpoint.notes.join('\n')).not.toMatch(/left aside/)
  })

  it('reads no tensor while opening', async () => {
    const files = filesOf('gptq-4bit-g16-actorder')
    const counted = countingSource(files.get('model.safetensors') ?? memorySource('', new Uint8Array()))
    await open(new Map([...files, ['model.safetensors', counted]]))
    // Length, header and the samples of the fingerprint.
    expect(counted.requests).toBe(2 + 64)
  })

  it('refuses rows that are not there', async () => {
    const checkpoint = await open(filesOf('awq-4bit-g32'))
    await expect(checkpoint.readFloat('model.layers.0.mlp.up_proj.weight', { rowStart: 0, rowEnd: 65 })).rejects.toThrow(RangeError)
  })
})

describe('quantized checkpoints that do not fit together', () => {
  it.each([
    ['awq-4bit-g32', replacing('config.json', '"gemm"', '"gemv"'), 'unsupported-dtype', /layout "gemv"; "gemm" can be read/],
    [
      'awq-4bit-g32',
      replacing('model.safetensors', 'up_proj.qzeros', 'up_proj.qzeroz'),
      'config-contradicts-tensors',
      /up_proj\.qzeros is in no file/,
    ],
    [
      'gptq-8bit-channel',
      replacing('model.safetensors', 'up_proj.scales', 'up_proj.scalez'),
      'config-contradicts-tensors',
      /up_proj\.scales is in no file/,
    ],
    ['gptq-8bit-channel', replacing('config.json', '"gptq"', '"nine"'), 'unsupported-architecture', /quantized already \(nine\)/],
    [
      'bitsandbytes-nf4',
      replacing('model.safetensors', 'up_proj.weight.absmax', 'up_proj.weight.absmaz'),
      'config-contradicts-tensors',
      /absmax is in no file/,
    ],
    [
      'compressed-tensors-w8a8',
      replacing('model.safetensors', 'up_proj.weight_scale', 'up_proj.weight_scalz'),
      'config-contradicts-tensors',
      /weight_scale is in no file/,
    ],
  ] as const)('refuses %s after a change of %o', async (name, change, code, message) => {
    const fault = await faultOf(() => open(filesOf(name, change)))
    expect(fault.code).toBe(code)
    expect(fault.message).toMatch(message)
  })

  it.each([
    ['bitsandbytes-nf4', replacing('model.safetensors', '"blocksize": 64', '"blocksize": 32'), /absmax .* are not those of blocks of 32/],
    [
      'bitsandbytes-nf4',
      replacing('model.safetensors', '"shape": [32, 32]', '"shape": [16, 64]'),
      /says a matrix of 16 x 64, which is 32 x 32/,
    ],
    ['bitsandbytes-nf4', replacing('model.safetensors', '{"quant_type"', '["quant_type"'), /does not hold the settings of bitsandbytes/],
  ] as const)('finds contradictions inside %s when it is read', async (name, change, message) => {
    const checkpoint = await open(filesOf(name, change))
    const faults = await Promise.allSettled(Object.keys(valuesOf(name)).map((tensor) => checkpoint.readFloat(tensor)))
    const [fault] = faults.flatMap((each) => (each.status === 'rejected' ? [each.reason as unknown] : []))
    expect(fault).toMatchObject({ code: 'file-damaged', message: expect.stringMatching(message) as string })
  })
})
