import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { exportTargets } from '../export/registry.ts'
import { MemoryFileStore } from '../io/memory-store.ts'
import { createReferenceKernels } from '../kernels/reference/index.ts'
import { parseRecipe } from '../quantization/parse-recipe.ts'
import { faultOf } from '../testing/fault-of.ts'
import { type MeasuredRequest, openTiny, tinyRequest, tinyText } from '../testing/tiny-run.ts'
import { makeBatches, windowsAtOnce } from './batches.ts'
import { chatTokens } from './chat-tokens.ts'
import { checkpointRows, EmbeddingLookup } from './embedding.ts'
import type { OpenModel } from './execute-run.ts'
import { makePlan } from './make-plan.ts'
import { memoryParts } from './memory-bound.ts'
import type { Plan, RunRequest } from './plan.ts'
import type { PlanFacts } from './plan-facts.ts'
import { planHash } from './plan-hash.ts'
import { bytesText } from './plan-issues.ts'
import { createRunFile } from './run-files.ts'
import { commandLine, recipeLink, recipesFromLink } from './sharing.ts'
import { appending, readStored, StoredTensorWriter, storedBytes } from './stored-tensor.ts'
import { prepareTexts } from './texts.ts'

function plan(model: OpenModel, request: RunRequest, change: Partial<PlanFacts> = {}): Plan {
  return makePlan({
    checkpoint: model.checkpoint,
    request,
    hash: 'hash',
    texts: prepareTexts(request, { ...model, chatTokens }),
    loaded: { importance: null, findings: [] },
    targets: exportTargets,
    threads: 2,
    memoryLimitBytes: 1e9,
    freeStorageBytes: 1e9,
    heldStorageBytes: 0,
    rates: [],
    ...change,
  })
}

const titles = (made: Plan, severity: string): string[] =>
  made.issues.filter((issue) => issue.severity === severity).map(({ title }) => title)

describe('the plan', () => {
  it('knows exact sizes, tokens and time before a weight is read', async () => {
    const model = await openTiny({ dtype: 'BF16' })
    const made = plan(model, tinyRequest(['Q4_0', 'nearest-4bit-g32']), { rates: [{ backend: 'wasm x1', operationsPerSecond: 1e6 }] })
    expect(made.issues.filter(({ severity }) => severity === 'error')).toEqual([])
    expect(made.evaluationTokens).toBe(43 * 16)
    expect(made.scoredTokens).toBe(43 * 15)
    const [q4, affine] = made.recipes
    expect(q4?.bytesOf).toBe('gguf')
    expect(q4?.blockBitsPerWeight).toBe(4.5)
    expect(affine?.bytesOf).toBe('awq')
    expect(affine?.blockBitsPerWeight).toBe(4 + 20 / 32)
    expect(affine?.summary).toBe('affine 4 bit, groups of 32, nearest')
    const supports = new Map(affine?.targets.map(({ id, support }) => [id, support === true]))
    expect([...supports.keys()].sort()).toEqual(exportTargets.map(({ id }) => id).sort())
    expect([supports.get('gguf'), supports.get('gptq'), supports.get('onnx')]).toEqual([false, true, true])
    expect(made.seconds[0]?.seconds).toBeGreaterThan(0)
    expect(made.peakMemoryBytes).toBe(made.memoryParts.reduce((sum, part) => sum + part.bytes, 0))
  })

  it('knows what each value of a format’s options would give, or why it would not', async () => {
    const made = plan(await openTiny({ dtype: 'BF16' }), tinyRequest(['nearest-4bit-g32', 'nearest-8bit-channel']))
    const [four, eight] = made.recipes.map(({ targets }) => targets.find(({ id }) => id === 'onnx'))
    const [f32, f16] = four?.options[0]?.values ?? []
    expect(four?.options.map(({ id }) => id)).toEqual(['activations'])
    expect(f32).toEqual({ value: 'f32', support: true, bytes: four?.bytes })
    expect(f16?.bytes).toBeLessThan(four?.bytes ?? 0)
    const refused = eight?.options[0]?.values[1]
    expect(refused).toMatchObject({ value: 'f16', bytes: 0 })
    expect(refused?.support).toMatch(/no name for a file of 8-bit weights/)
    expect(made.recipes.every(({ targets }) => targets.find(({ id }) => id === 'gguf')?.options.length === 0)).toBe(true)
  })

  it('counts the packed weights of a recipe that no format holds', async () => {
    const model = await openTiny({ dtype: 'BF16' })
    const made = plan(model, tinyRequest(['nearest-4bit-g32']), { targets: [] })
    expect(made.recipes[0]?.bytesOf).toBe('stored')
    const weights = 3 * (4 * 32 * 32 - 2 * 16 * 32 + 3 * 32 * 64)
    expect(made.recipes[0]?.bytes).toBe(Math.ceil(model.checkpoint.sourceBytes - 2 * weights + (weights * (4 + 20 / 32)) / 8))
  })

  it.each<[string, (request: MeasuredRequest) => Partial<PlanFacts> & { request?: RunRequest }, string, string]>([
    [
      'an empty text',
      (r) => ({ request: { ...r, evaluation: { ...r.evaluation, text: '' } } }),
      'error',
      'The text is too short to measure',
    ],
    [
      'a token limit below two windows',
      (r) => ({ request: { ...r, evaluation: { ...r.evaluation, maxTokens: 16 } } }),
      'error',
      'The token limit is too low to measure',
    ],
    [
      'an empty calibration text',
      (r) => ({ request: { ...r, calibration: { text: '', textName: '', maxTokens: 64, contextLength: 16, usesChatTemplate: false } } }),
      'error',
      'The calibration text is empty',
    ],
    [
      'windows longer than the model reads',
      (r) => ({ request: { ...r, evaluation: { ...r.evaluation, contextLength: 128 } } }),
      'error',
      'The window is longer than the model reads',
    ],
    [
      'two recipes of one name',
      (r) => ({ request: { ...r, recipes: [...r.recipes, ...r.recipes] } }),
      'error',
      'Two recipes have one name',
    ],
    ['too little storage', () => ({ freeStorageBytes: 1000 }), 'error', 'Not enough storage'],
    ['too little memory', () => ({ memoryLimitBytes: 1e6 }), 'warning', 'More memory than the limit'],
    [
      'overlapping texts',
      (r) => ({
        request: { ...r, calibration: { text: tinyText, textName: '', maxTokens: 64, contextLength: 16, usesChatTemplate: false } },
      }),
      'warning',
      'Calibration and evaluation text overlap',
    ],
    [
      'a chat template that the model lacks',
      (r) => ({
        request: { ...r, calibration: { text: tinyText, textName: '', maxTokens: 64, contextLength: 16, usesChatTemplate: true } },
      }),
      'error',
      'The chat template cannot be used',
    ],
    [
      'calibration windows longer than the model reads',
      (r) => ({
        request: { ...r, calibration: { text: tinyText, textName: '', maxTokens: 64, contextLength: 65, usesChatTemplate: false } },
      }),
      'error',
      'The window is longer than the model reads',
    ],
    [
      'a group larger than a row',
      (r) => ({ request: { ...r, recipes: [parseRecipe('nearest-4bit-g128')] } }),
      'warning',
      'The group is larger than a row',
    ],
    ['few tokens', () => ({}), 'note', 'Few tokens to measure on'],
    ['a fallback', (r) => ({ request: { ...r, recipes: [parseRecipe('Q4_0')] } }), 'note', '3 matrices stored as F16 (fallback of Q4_0)'],
    [
      'a recipe that no format holds',
      (r) => ({ request: { ...r, recipes: [parseRecipe('kmeans-3bit')] } }),
      'warning',
      'No file format can hold this recipe',
    ],
    [
      'overrides that leave nothing',
      (r) => ({
        request: {
          ...r,
          recipes: [parseRecipe('{"id":"x","grid":{"kind":"ggml","type":"Q4_0"},"overrides":[{"match":"*","grid":"float"}]}')],
        },
      }),
      'warning',
      'Nothing is quantized',
    ],
    [
      'an override that matches nothing',
      (r) => ({
        request: {
          ...r,
          recipes: [parseRecipe('{"id":"x","grid":{"kind":"ggml","type":"Q4_0"},"overrides":[{"match":"nothing","grid":"float"}]}')],
        },
      }),
      'note',
      'An override changes nothing',
    ],
  ])('says %s', async (_, change, severity, title) => {
    const model = await openTiny({ config: { intermediate_size: 40 } })
    const request = tinyRequest(['nearest-4bit-g32'])
    const { request: changed = request, ...facts } = change(request)
    expect(titles(plan(model, changed, facts), severity)).toContain(title)
  })

  it('bounds memory by one block, whatever their number', async () => {
    const run = {
      streamTokens: 5 * 4096,
      scoredTokens: 4096,
      contextLength: 64,
      recipes: 4,
      ownGrams: 'all' as const,
      roundingBytes: 7e6,
      threads: 2,
      memoryLimitBytes: 1e9,
      tileBytes: 1e6,
    }
    const [few, many] = await Promise.all([1, 5].map((num_hidden_layers) => openTiny({ config: { num_hidden_layers } })))
    expect(many && memoryParts(many.checkpoint.graph, run)).toEqual(few && memoryParts(few.checkpoint.graph, run))
  })

  it('bounds memory with every thread and every longer window', async () => {
    const { checkpoint } = await openTiny({})
    const texts = {
      streamTokens: 8192,
      scoredTokens: 4096,
      recipes: 1,
      ownGrams: 'none' as const,
      roundingBytes: 0,
      memoryLimitBytes: 1e9,
      tileBytes: 1e6,
    }
    const bound = (threads: number, contextLength: number): number =>
      memoryParts(checkpoint.graph, { ...texts, threads, contextLength }).reduce((sum, { bytes }) => sum + bytes, 0)
    expect(bound(8, 256)).toBeGreaterThan(bound(2, 256))
    expect(bound(2, 8192)).toBeGreaterThan(bound(2, 2048))
    const parts = (isInputRounded: boolean) =>
      memoryParts(checkpoint.graph, { ...texts, threads: 2, contextLength: 256, isInputRounded }).map(({ what }) => what)
    expect(parts(true).filter((what) => !parts(false).includes(what))).toEqual(['inputs while they are rounded'])
  })

  it('names a run by model and request, not by the order of keys', async () => {
    const request = tinyRequest(['Q4_0'])
    const reordered = JSON.parse(JSON.stringify(Object.fromEntries(Object.entries(request).reverse()))) as RunRequest
    expect(await planHash('a', reordered)).toBe(await planHash('a', request))
    expect(await planHash('b', request)).not.toBe(await planHash('a', request))
    expect(await planHash('a', { ...request, seed: 1 })).not.toBe(await planHash('a', request))
  })

  it('writes bytes with three digits', () => {
    expect([0, 999, 1000, 668_788_096, 2_200_000_000, 999_600].map(bytesText)).toEqual([
      '0 bytes',
      '999 bytes',
      '1.00 kB',
      '669 MB',
      '2.20 GB',
      '1.00 MB',
    ])
  })
})

describe('batches and the embedding', () => {
  it('keep every window in order and stay within the limits', async () => {
    const { checkpoint } = await openTiny()
    const windows = Array.from({ length: 300 }, (_, i) => ({ ids: new Int32Array(16).fill(i), targets: new Int32Array(16).fill(-1) }))
    const batches = makeBatches(windows, checkpoint.graph.config)
    expect(batches.flatMap(({ ids }) => [...ids].filter((_, i) => i % 16 === 0))).toEqual(windows.map((_, i) => i))
    expect(Math.max(...batches.map(({ batch }) => batch))).toBe(windowsAtOnce(16, checkpoint.graph.config))
  })

  it('look up exactly the rows of the tokens', async () => {
    const { checkpoint } = await openTiny()
    const all = await checkpoint.readFloat(checkpoint.graph.embedding.name)
    const ids = Int32Array.of(3, 31, 3, 0)
    const rows = await new EmbeddingLookup([ids], 32, checkpointRows(checkpoint)).embed(0, new AbortController().signal)
    expect([...rows]).toEqual([...ids].flatMap((id) => [...all.subarray(32 * id, 32 * (id + 1))]))
  })
})

describe('stored tensors', () => {
  it('read back as they were written, whole or in tiles', async () => {
    const kernels = createReferenceKernels()
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 70 }),
        fc.integer({ min: 2, max: 8 }),
        fc.constantFrom(16, 33, 'row' as const),
        async (rows, columns, bits, group) => {
          const data = Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(i * 1.7) * (1 + (i % 5)))
          const whole = await kernels.quantizeAffine({ data, rows, columns }, { bits, isSymmetric: false, group })
          const store = new MemoryFileStore()
          const file = await createRunFile(store, 't.bin')
          const writer = new StoredTensorWriter(appending(file.sink), 't.bin')
          for (let row = 0; row < rows; row += 4) {
            const end = Math.min(row + 4, rows)
            const part = { data: data.slice(row * columns, end * columns), rows: end - row, columns }
            const affine = await kernels.quantizeAffine(part, { bits, isSymmetric: false, group })
            await writer.append({ name: 'w', rows: end - row, columns, encoding: 'affine', affine }, rows, row)
          }
          const { sizeBytes } = await file.finish()
          expect(sizeBytes).toBe(storedBytes(rows, columns, { encoding: 'affine', bits, isSymmetric: false, group }))
          const [stored] = writer.tensors()
          const read = stored && (await readStored(store, stored))
          expect(read).toEqual({ name: 'w', rows, columns, encoding: 'affine', affine: whole })
        },
      ),
      { numRuns: 30 },
    )
  })
})

describe('sharing recipes', () => {
  const mixed = parseRecipe(
    '{"id":"mine","grid":{"kind":"affine","bits":3,"group":64},"overrides":[{"match":"*.v_proj.weight","grid":"float"}]}',
  )

  it('gives links that come back as the same recipes', async () => {
    const recipes = [parseRecipe('Q8_0'), mixed, parseRecipe('nearest-4bit-channel-sym')]
    const link = await recipeLink(recipes)
    expect(link).toMatch(/^recipes=[\w-]+$/)
    expect(await recipesFromLink(`#${link}`)).toEqual(recipes)
  })

  it.each(['compare', 'recipes=***', 'recipes=AAAA'])('refuses the fragment %s', async (fragment) => {
    expect((await faultOf(() => recipesFromLink(fragment))).code).toBe('recipe-invalid')
  })

  it('writes the command with ids where they say it all and quoted JSON otherwise', () => {
    const line = commandLine('owner/name', [parseRecipe('Q8_0'), mixed], ['gguf'])
    expect(line).toBe(
      `npm run quantize -- owner/name --recipe Q8_0 --recipe '{"id":"mine","grid":{"kind":"affine","bits":3,"group":64},"overrides":[{"match":"*.v_proj.weight","grid":"float"}]}' --export gguf`,
    )
    const json = /'(\{.*\})'/.exec(line)?.[1] ?? ''
    expect(parseRecipe(json)).toEqual(mixed)
  })
})
