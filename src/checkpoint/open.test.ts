import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { StudioError } from '../core/errors.ts'
import { nodeFolderFiles } from '../headless/node-source.ts'
import type { ByteSource } from '../io/byte-source.ts'
import { memorySource } from '../io/memory-source.ts'
import { type CountedSource, countingSource } from '../testing/counting-source.ts'
import { faultOf } from '../testing/fault-of.ts'
import { asSources, tinyModel, tinyModelFiles } from '../testing/tiny-model.ts'
import { openCheckpoint } from './open.ts'

const open = (files: ReadonlyMap<string, ByteSource>) => openCheckpoint({ name: 'tiny', originKind: 'files', files })

function text(value: unknown): ByteSource {
  return memorySource('file', new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value)))
}

describe('opening', () => {
  it('reads headers and small files, and no tensor', async () => {
    const files = new Map<string, CountedSource>()
    for (const [path, source] of tinyModel({ shards: 3, config: { num_hidden_layers: 12, hidden_size: 64 } }))
      files.set(path, countingSource(source))
    const checkpoint = await open(files)
    expect(checkpoint.tensors.size).toBe(2 + 12 * 9)
    for (const [path, source] of files) {
      if (!path.endsWith('.safetensors')) continue
      // Length and header, then the fingerprint's 64 samples of 64 bytes.
      expect(source.requests).toBe(2 + 64)
      expect(source.bytesRead).toBeLessThan(source.sizeBytes / 4)
    }
  })

  it('gives graph, sizes and the files beside the weights', async () => {
    const checkpoint = await open(tinyModel({ dtype: 'BF16' }))
    const { graph, parameters, sourceBytes, family } = checkpoint
    expect(family.id).toBe('llama')
    expect(graph.config).toMatchObject({ layers: 2, hidden: 16, heads: 4, kvHeads: 2, headDim: 4, isTied: true, vocab: 32 })
    const perBlock = 16 * 16 * 2 + 2 * 8 * 16 + 3 * 24 * 16 + 2 * 16
    expect(parameters).toBe(32 * 16 + 16 + 2 * perBlock)
    expect(sourceBytes).toBe(2 * parameters)
    expect(checkpoint.tokenizerFiles.tokenizerConfig['bos_token']).toBe('<s>')
    expect(checkpoint.notes).toEqual([])
  })

  it('finds the model in a folder inside', async () => {
    const nested = new Map([...tinyModel()].map(([path, source]) => [`my-model/${path}`, source]))
    expect((await open(nested)).tensors.size).toBe(20)
  })

  it('opens a whole numbered set without its index', async () => {
    const files = tinyModel({ shards: 2 })
    files.delete('model.safetensors.index.json')
    expect((await open(files)).tensors.size).toBe(20)
  })

  it('tells each header as it is read', async () => {
    const told: number[] = []
    await openCheckpoint({
      name: 'tiny',
      originKind: 'files',
      files: tinyModel({ shards: 3 }),
      onProgress: ({ filesDone }) => told.push(filesDone),
    })
    expect(told).toEqual([0, 1, 2, 3])
  })

  it('stops when asked to', async () => {
    expect((await faultOf(() => openCheckpoint({ name: 'tiny', originKind: 'files', files: tinyModel() }, AbortSignal.abort()))).code).toBe(
      'aborted',
    )
  })

  it('takes the default template of a list, special tokens from their own file, and jinja before both', async () => {
    const files = tinyModel()
    files.set(
      'tokenizer_config.json',
      text({
        chat_template: [
          { name: 'tool', template: 'T' },
          { name: 'default', template: 'D' },
        ],
      }),
    )
    files.set('special_tokens_map.json', text({ pad_token: '<pad>' }))
    const { tokenizerFiles } = await open(files)
    expect(tokenizerFiles.chatTemplate).toBe('D')
    expect(tokenizerFiles.tokenizerConfig['pad_token']).toBe('<pad>')
    files.set('chat_template.jinja', text('J'))
    expect((await open(files)).tokenizerFiles.chatTemplate).toBe('J')
  })
})

describe('fingerprints', () => {
  it('are equal for equal bytes and differ with config, header or weights', async () => {
    const print = async (files: ReadonlyMap<string, ByteSource>) => (await open(files)).origin.fingerprint
    const first = await print(tinyModel())
    expect(await print(tinyModel())).toBe(first)
    expect(await print(tinyModel({ seed: 2 }))).not.toBe(first)
    expect(await print(tinyModel({ dtype: 'F16' }))).not.toBe(first)
    expect(await print(tinyModel({ config: { bos_token_id: 0 } }))).not.toBe(first)
  })

  it('take the content id instead of samples where the medium has one', async () => {
    const files = tinyModel()
    const weights = files.get('model.safetensors')
    if (weights === undefined) throw new Error('no weights')
    const named = (contentId: string) => new Map([...files, ['model.safetensors', countingSource({ ...weights, contentId })]])
    const a = named('a')
    const b = named('b')
    expect((await open(a)).origin.fingerprint).not.toBe((await open(b)).origin.fingerprint)
    expect((a.get('model.safetensors') as CountedSource).requests).toBe(2)
  })
})

describe('reading tensors', () => {
  it('gives rows as stored and widened', async () => {
    for (const dtype of ['F32', 'F16', 'BF16'] as const) {
      const checkpoint = await open(tinyModel({ dtype }))
      const name = 'model.layers.1.mlp.down_proj.weight' // [16, 24]
      const whole = await checkpoint.readFloat(name)
      const rows = await checkpoint.readFloat(name, { rowStart: 3, rowEnd: 5 })
      expect(rows).toEqual(whole.slice(3 * 24, 5 * 24))
      const raw = await checkpoint.readRaw(name, { rowStart: 15, rowEnd: 16 })
      expect(raw.byteLength).toBe(24 * (dtype === 'F32' ? 4 : 2))
      expect(whole.some((value) => value !== 0) && whole.every((value) => Math.abs(value) <= 0.25)).toBe(true)
    }
  })

  it('counts a vector as one row', async () => {
    const checkpoint = await open(tinyModel())
    expect(await checkpoint.readFloat('model.norm.weight', { rowStart: 0, rowEnd: 1 })).toHaveLength(16)
    await expect(checkpoint.readFloat('model.norm.weight', { rowStart: 0, rowEnd: 2 })).rejects.toThrow('model.norm.weight has 1 rows')
    await expect(checkpoint.readFloat('nothing')).rejects.toThrow('tiny has no tensor nothing')
  })
})

describe('what is missing', () => {
  const without = (...names: string[]) => {
    const files = tinyModel({ shards: 3 })
    for (const name of names) files.delete(name)
    return files
  }

  it.each([
    [['config.json'], 'config.json is missing'],
    [['tokenizer.json'], 'tokenizer.json is missing'],
    [['model-00002-of-00003.safetensors'], 'model-00002-of-00003.safetensors is missing'],
    [['model-00001-of-00003.safetensors', 'model-00003-of-00003.safetensors'], 'model-00001-of-00003.safetensors and one more are missing'],
    [['model.safetensors.index.json', 'model-00002-of-00003.safetensors'], 'model-00002-of-00003.safetensors is missing'],
  ])('%j is named', async (names, title) => {
    const fault = await faultOf(() => open(without(...names)))
    expect(fault.code).toBe('file-missing')
    expect(fault.title).toBe(title)
    expect(String(fault.details['missing']).split('\n')).toEqual(names.filter((name) => !name.endsWith('index.json')))
  })

  it('says how many of a set are here, and goes on when the rest arrives', async () => {
    const files = without('model-00002-of-00003.safetensors')
    const fault = await faultOf(() => open(files))
    expect(fault.message).toBe('The index names three files; two were dropped.')
    const missing = String(fault.details['missing'])
    files.set(missing, tinyModel({ shards: 3 }).get(missing) ?? memorySource('', new Uint8Array()))
    expect((await open(files)).tensors.size).toBe(20)
  })

  it('points from PyTorch files, GGUF and old tokenizers to what can be opened', async () => {
    const torch = tinyModel()
    torch.delete('model.safetensors')
    torch.set('pytorch_model.bin', text('x'))
    expect((await faultOf(() => open(torch))).message).toContain('pytorch_model.bin, a PyTorch file')
    expect((await faultOf(() => open(new Map([['a.gguf', text('x')]])))).code).toBe('file-damaged')
    const old = tinyModel()
    old.delete('tokenizer.json')
    old.set('tokenizer.model', text('x'))
    expect((await faultOf(() => open(old))).message).toContain('tokenizer.model')
    const none = tinyModel()
    none.delete('model.safetensors')
    expect((await faultOf(() => open(none))).title).toBe('The weight file is missing')
  })

  it('asks for the index when loose files do not say what belongs together', async () => {
    const files = tinyModel()
    for (const name of ['a', 'b']) files.set(`${name}.safetensors`, files.get('model.safetensors') ?? text(''))
    files.delete('model.safetensors')
    expect((await faultOf(() => open(files))).title).toBe('model.safetensors.index.json is missing')
  })

  it('wants one model at a time', async () => {
    const two = new Map([...tinyModel()].flatMap(([path, source]) => [[`a/${path}`, source] as const, [`b/${path}`, source] as const]))
    expect((await faultOf(() => open(two))).message).toBe('config.json is in a and in b.')
  })
})

describe('what contradicts', () => {
  it.each([
    [
      { config: { intermediate_size: 24 }, claim: { intermediate_size: 48 } },
      'By config.json, model.layers.0.mlp.gate_proj.weight is 48 x 16; model.safetensors holds 24 x 16.',
    ],
    [{ config: {}, claim: { vocab_size: 64 } }, 'By config.json, model.embed_tokens.weight is 64 x 16; model.safetensors holds 32 x 16.'],
    [
      { config: {}, claim: { tie_word_embeddings: false } },
      'config.json says that the head is a matrix of its own (tie_word_embeddings is false), but no file holds lm_head.weight.',
    ],
    [
      { config: {}, claim: { num_hidden_layers: 3 } },
      'model.layers.2.self_attn.q_proj.weight, model.layers.2.self_attn.k_proj.weight, model.layers.2.self_attn.v_proj.weight and 6 more tensors are in no file, but belong to a model of 3 layers as config.json describes it.',
    ],
    [
      { config: {}, claim: { vocab_size: 20 } },
      'tokenizer.json knows 29 tokens, the model has embeddings for 20 (vocab_size in config.json).',
    ],
  ])('%j', async ({ config, claim }, message) => {
    const files = tinyModel({ config })
    const own = JSON.parse(new TextDecoder().decode(tinyModelFiles({ config }).get('config.json'))) as object
    files.set('config.json', text({ ...own, ...claim }))
    const fault = await faultOf(() => open(files))
    expect(fault.code).toBe('config-contradicts-tensors')
    expect(fault.message).toBe(message)
  })

  it('refuses other dtypes, naming the tensor', async () => {
    const files = tinyModelFiles()
    const bytes = files.get('model.safetensors') ?? new Uint8Array()
    const header = new TextDecoder('latin1').decode(bytes)
    const at = header.indexOf('"dtype":"F32"', header.indexOf('q_proj'))
    bytes.set(new TextEncoder().encode('"dtype":"I32"'), at)
    const fault = await faultOf(() => open(asSources(files)))
    expect(fault.code).toBe('unsupported-dtype')
    expect(fault.message).toBe(
      'model.layers.0.self_attn.q_proj.weight in model.safetensors is stored as I32; F32, F16 and BF16 can be read.',
    )
  })

  it('notices an index that lies and a tensor that is in two files', async () => {
    const lying = tinyModel()
    lying.set('model.safetensors.index.json', text({ weight_map: { ghost: 'model.safetensors' } }))
    expect((await faultOf(() => open(lying))).message).toBe('The index says that model.safetensors holds tensor ghost, but no file does.')
    const twice = tinyModel({ shards: 2 })
    const second = tinyModel().get('model.safetensors')
    if (second !== undefined) twice.set('model-00002-of-00002.safetensors', second)
    expect((await faultOf(() => open(twice))).message).toContain('is in model-00001-of-00002.safetensors and in')
  })

  it('leaves other tensors aside and says so, except known buffers', async () => {
    const buffers = await open(tinyModel({ extraTensors: { 'model.layers.0.self_attn.rotary_emb.inv_freq': [2] } }))
    expect(buffers.notes).toEqual([])
    const strangers = await open(tinyModel({ extraTensors: { 'value_head.weight': [1, 16] } }))
    expect(strangers.notes).toEqual(['Tensor value_head.weight is no part of this architecture and left aside.'])
    const spare = await open(tinyModel({ extraTensors: { 'lm_head.weight': [32, 16] } }))
    expect(spare.notes[0]).toContain('the head is the embedding matrix')
  })

  it.each([
    ['config.json', '{', 'config-invalid', 'config.json'],
    ['config.json', '[]', 'config-invalid', 'config.json'],
    ['tokenizer.json', '{"model":{}}', 'tokenizer-invalid', 'no vocabulary'],
    ['tokenizer.json', '{"model":{"vocab":{"a":"b"}}}', 'tokenizer-invalid', 'a token without an id'],
    ['tokenizer.json', 'not json', 'tokenizer-invalid', 'not valid JSON'],
  ])('%s of %j is %s', async (name, content, code) => {
    const files = tinyModel()
    files.set(name, text(content))
    expect((await faultOf(() => open(files))).code).toBe(code)
  })
})

describe('any damage', () => {
  it('ends in a model or in a sentence, never in another error', async () => {
    const files = tinyModelFiles({ shards: 2 })
    const paths = [...files.keys()]
    const damage = fc.record({
      path: fc.constantFrom(...paths),
      // The first bytes are lengths and headers, where damage is most interesting.
      at: fc.oneof(fc.nat({ max: 400 }), fc.nat({ max: 20_000 })),
      bytes: fc.uint8Array({ minLength: 1, maxLength: 6 }),
      isCut: fc.boolean(),
    })
    let refused = 0
    await fc.assert(
      fc.asyncProperty(damage, async ({ path, at, bytes, isCut }) => {
        const damaged = new Map(files)
        const content = files.get(path)?.slice() ?? new Uint8Array()
        const start = at % content.length
        if (isCut) damaged.set(path, content.slice(0, start))
        else {
          content.set(bytes.subarray(0, content.length - start), start)
          damaged.set(path, content)
        }
        const outcome: unknown = await open(asSources(damaged)).catch((error: unknown) => error)
        if (outcome instanceof StudioError) {
          refused += 1
          for (const said of [outcome.title, outcome.message, outcome.remedy]) expect(said).toMatch(/\S/)
        } else expect(outcome).toHaveProperty('graph')
      }),
      { numRuns: 400 },
    )
    expect(refused).toBeGreaterThan(40)
  })
})

const stories = resolve(import.meta.dirname, '../../../shared/models/stories260K')
if (!existsSync(stories)) process.stderr.write('skipped: opening stories260K, because ../shared is not here\n')

describe.skipIf(!existsSync(stories))('stories260K', () => {
  it('opens from its folder', async () => {
    const checkpoint = await openCheckpoint({ name: 'stories260K', originKind: 'files', files: await nodeFolderFiles(stories) })
    expect(checkpoint.parameters).toBe(260_032)
    expect(checkpoint.graph.config).toMatchObject({ layers: 5, hidden: 64, heads: 8, kvHeads: 4, vocab: 512, isTied: true })
    const embedding = await checkpoint.readFloat('model.embed_tokens.weight', { rowStart: 0, rowEnd: 4 })
    expect(embedding).toHaveLength(256)
  })
})
